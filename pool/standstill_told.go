package pool

import (
	"fmt"

	"portero/wire"
)

// limitMet names the setting behind what tally.meets has found, and its value.
func (p *Pool) limitMet(which int) (setting string, most int) {
	t := p.terms()
	if which == ofPool {
		switch most = p.mayHold(); {
		case most >= t.Size:
			return "pool_size", t.Size
		case most == t.MaxDatabase:
			which = ofDatabase
		default:
			which = ofUser
		}
	}
	switch which {
	case ofDatabase:
		return "max_db_connections", t.MaxDatabase
	case ofUser:
		return "max_user_connections", t.MaxUser
	}
	return "the limit of open files", p.owner.quota.size
}

// errStandstill is for the client that is given up, among so many origins.
func errStandstill(setting string, most, n int) *wire.Error {
	e := wire.Errorf(wire.TooManyConnections, "this transaction and others hold servers of the pools between nodes, and wait for each other's")
	if n == 1 {
		e = wire.Errorf(wire.TooManyConnections, "this transaction holds all servers that it can have between nodes, and waits for another")
	}
	e.Detail = fmt.Sprintf("Distributed transactions that wait: %d. What leaves no room for more servers: %s (%d).", n, setting, most)
	where := ""
	if setting == "pool_size" {
		where = " of the routes between the nodes"
	}
	e.Hint = fmt.Sprintf("Raise %s%s, or lower citus.max_adaptive_executor_pool_size on the nodes.", setting, where)
	return e
}
