package pool

import (
	"sync"
	"sync/atomic"
	"time"
)

// lags are the gauges of a cluster's groups. All methods are safe for concurrent use.
type lags struct {
	moved chan struct{} // has a token if pools may decide otherwise than they did

	mu     sync.Mutex // guards groups
	groups map[int]*gauge
	latest atomic.Pointer[map[int]readings]
}

func newLags() *lags {
	l := &lags{moved: make(chan struct{}, 1), groups: make(map[int]*gauge)}
	l.latest.Store(&map[int]readings{})
	return l
}

// of is what is known of a group's members. It costs no lock.
func (l *lags) of(group int) readings { return (*l.latest.Load())[group] }

// lead takes the position of a group's leader, told by the time at.
func (l *lags) lead(group int, epoch uint64, p position, at time.Time) {
	l.change(group, func(g *gauge) bool { return g.lead(epoch, p, at) })
}

// follow takes the position of a member that is in recovery, asked for at a time.
func (l *lags) follow(group int, member string, p position, at time.Time) {
	l.change(group, func(g *gauge) bool { return g.follow(member, p, at) })
}

// forget makes a member unknown until it is heard again.
func (l *lags) forget(group int, member string) {
	if _, known := l.of(group)[member]; known {
		l.change(group, func(g *gauge) bool { return g.forget(member) })
	}
}

func (l *lags) change(group int, edit func(g *gauge) (moved bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[group]
	if g == nil {
		g = &gauge{}
		l.groups[group] = g
	}
	moved := edit(g)
	latest := make(map[int]readings, len(l.groups))
	for id, g := range l.groups {
		latest[id] = g.read()
	}
	l.latest.Store(&latest)
	if moved {
		l.stir()
	}
}

// Lag is how far a member is behind its leader; false: that is not measured, as no
// route needs it or nobody uses one. Any goroutine.
func (ps *Pools) Lag(cluster string, group int, member string) (lag time.Duration, measured bool) {
	cl := ps.clusters()[cluster]
	if cl == nil {
		return 0, false
	}
	r, known := cl.lags.of(group)[member]
	if !known {
		return 0, false
	}
	return r.lag(time.Now())
}
