package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portero/metrics"
)

func (c *Console) pools() []metrics.PoolState {
	if c.o.Pools == nil {
		return nil
	}
	return c.o.Pools()
}

// databaseOf is the name that the clients of a pool have for its database.
func databaseOf(p *metrics.PoolState) string { return cmp.Or(p.Name, p.Labels.Database) }

// summed is all pools of one database and user. They can differ in role, mode, max_lag and
// kind, which SHOW POOLS has no columns for: a row for each would be doubles to its readers.
type summed struct {
	database, user, mode string
	replicates           bool // all of its clients do, as far as is known

	clients, active, waiting, cancelling, cancelWaiting   int
	servers, lent, carrying, cancelled, idle, tested, new int
	maxWait                                               time.Duration
}

// sumPools has one for each database and user, in their order.
func sumPools(pools []metrics.PoolState) []summed {
	type key struct{ database, user string }
	sums := make(map[key]*summed)
	for i := range pools {
		p := &pools[i]
		k := key{databaseOf(p), p.Labels.User}
		if sums[k] == nil {
			sums[k] = &summed{database: k.database, user: k.user, mode: p.Labels.PoolMode(), replicates: p.Labels.Replicates()}
		}
		if sums[k].replicates && !p.Labels.Replicates() { // who does says nothing of the others
			sums[k].mode, sums[k].replicates = p.Labels.Mode, false
		}
		sums[k].add(p)
	}
	var all []summed
	for _, s := range sums {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b summed) int {
		return cmp.Or(cmp.Compare(a.database, b.database), cmp.Compare(a.user, b.user))
	})
	return all
}

func (s *summed) add(p *metrics.PoolState) {
	s.clients += max(p.Clients-p.ClientsWaiting, p.ClientsActive)
	s.active += p.ClientsActive
	s.waiting += p.ClientsWaiting
	s.cancelling += p.ClientsCancelling
	s.cancelWaiting += p.ClientsCancelWaiting
	s.lent += p.ServersActive - p.ServersTested - p.ServersCancelled
	s.carrying += p.ServersCancelling
	s.cancelled += p.ServersCancelled
	s.idle += p.ServersIdle
	s.tested += p.ServersTested
	s.new += p.ServersOpening
	s.servers += serversOf(p)
	s.maxWait = max(s.maxWait, p.MaxWait)
}

// serversOf counts those too that are being opened.
func serversOf(p *metrics.PoolState) int { return p.ServersActive + p.ServersIdle + p.ServersOpening }

// showPools counts a client in cl_active that has joined its pool and does not wait, whether it
// has a server or rests: so does PgBouncer.
func (c *Console) showPools(context.Context) (*table, error) {
	t := newTable("ssiiiiiiiiiiiiiss", "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req"+
		" sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode load_balance_hosts")
	all := append(sumPools(c.pools()), summed{database: consoleDatabase, user: consoleDatabase, mode: "statement", clients: len(c.own())})
	slices.SortStableFunc(all, func(a, b summed) int { return cmp.Compare(a.database, b.database) })
	for _, s := range all {
		t.add(s.database, s.user, s.clients, s.waiting, s.cancelling, s.cancelWaiting,
			s.lent, s.carrying, s.cancelled, s.idle, 0, s.tested, s.new, whole(s.maxWait), rest(s.maxWait), s.mode, nil)
	}
	return t, nil
}

// whole and rest are a time in seconds, and the microseconds beyond.
func whole(d time.Duration) int64 { return int64(d / time.Second) }
func rest(d time.Duration) int64  { return int64(d % time.Second / time.Microsecond) }

// showAllPools tells pools apart that SHOW POOLS sums up.
func (c *Console) showAllPools(ctx context.Context) (*table, error) {
	t := newTable("sissssssiiiiiiiiiqiissss", "cluster group role pool_mode database server_database user members"+
		" clients cl_active cl_waiting sv_active sv_idle sv_tested sv_login pool_size min_pool_size maxwait_us listeners channels paused disabled trouble pins")
	members := c.membersOfPools(ctx)
	pools := c.pools()
	slices.SortFunc(pools, metrics.ComparePools)
	for i := range pools {
		p := &pools[i]
		t.add(p.Labels.Cluster, p.Labels.Group, p.Labels.Role, p.Labels.Mode, databaseOf(p), p.Labels.Database, p.Labels.User, members[lentBy{databaseOf(p), p.Labels.User, p.Labels.Role, p.Labels.Group}],
			p.Clients, p.ClientsActive, p.ClientsWaiting, p.ServersActive-p.ServersTested-p.ServersCancelled, p.ServersIdle, p.ServersTested, p.ServersOpening, p.Size, p.MinSize,
			p.MaxWait.Microseconds(), p.Listeners, p.Channels, yesNo(p.Paused), yesNo(p.Disabled), troubles(p), pinsOf(p))
	}
	return t, nil
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// lentBy is as near as a server tells which pool it is of.
type lentBy struct {
	database, user, role string
	group                int
}

// membersOfPools is how many servers there are at each member, as "a: 2, b: 1".
func (c *Console) membersOfPools(ctx context.Context) map[lentBy]string {
	counts := make(map[lentBy]map[string]int)
	for _, s := range c.servers(ctx) {
		k := lentBy{s.Database, s.User, s.Role, s.Group}
		if counts[k] == nil {
			counts[k] = make(map[string]int)
		}
		counts[k][s.Member]++
	}
	words := make(map[lentBy]string, len(counts))
	for k, of := range counts {
		var parts []string
		for _, member := range slices.Sorted(maps.Keys(of)) {
			parts = append(parts, fmt.Sprintf("%s: %d", member, of[member]))
		}
		words[k] = strings.Join(parts, ", ")
	}
	return words
}

// troubles are the errors of a pool so far, by reason, as "wait timeout: 3".
func troubles(p *metrics.PoolState) string {
	var parts []string
	for reason, n := range p.Totals().Errors {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", metrics.Reason(reason), n))
		}
	}
	return strings.Join(parts, ", ")
}

// pinsOf is how many clients keep their servers now, by reason.
func pinsOf(p *metrics.PoolState) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(p.Pins)) {
		if n := p.Pins[reason].Clients; n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", reason, n))
		}
	}
	return strings.Join(parts, ", ")
}

// showPins has each reason that has occurred.
func (c *Console) showPins(context.Context) (*table, error) {
	t := newTable("ssssissiq", "reason database user cluster group role pool_mode clients times")
	pools := c.pools()
	slices.SortFunc(pools, metrics.ComparePools)
	for i := range pools {
		p := &pools[i]
		for _, reason := range slices.Sorted(maps.Keys(p.Pins)) {
			pin := p.Pins[reason]
			t.add(reason, databaseOf(p), p.Labels.User, p.Labels.Cluster, p.Labels.Group, p.Labels.Role, p.Labels.Mode, pin.Clients, pin.Times)
		}
	}
	return t, nil
}
