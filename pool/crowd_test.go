package pool

import (
	"fmt"
	"testing"

	"portero/loop"
	"portero/metrics"
	"portero/session"
)

// crowd is clients between nodes, each of an origin of its own, that want a server again and
// again, on one loop.
type crowd struct {
	pool *Pool
	left int // lendings, until all is over; on the loop
	all  []*loop.Task
	over chan struct{}
}

// one is a client of a crowd.
type one struct {
	*crowd
	gpid  int
	claim Claim
}

// Run asks for a server, and gives it back.
func (o *one) Run(t *loop.Task) {
	o.claim.Bind(o.pool, t)
	o.claim.Number, o.claim.Settings = uint64(o.gpid), session.Settings{}.With(applicationName, fmt.Sprintf("citus_internal gpid=%d", o.gpid))
	for o.left > 0 {
		if !o.pool.Acquire(&o.claim) {
			for o.claim.Server == nil && o.claim.Err == nil && o.left > 0 {
				t.Park()
			}
		}
		if o.claim.Server == nil {
			o.pool.Abandon(&o.claim, metrics.Shutdown)
			return
		}
		if o.left--; o.left == 0 {
			close(o.over)
			for _, t := range o.all {
				o.pool.owner.loops[0].Wake(t)
			}
		}
		o.pool.Release(&o.claim)
	}
}

// BenchmarkALendingBetweenNodes is what it costs that many wait who are not let in, as another
// pool has fewer places, so that half of the servers are idle.
func BenchmarkALendingBetweenNodes(b *testing.B) {
	for _, clients := range []int{20, 200, 2000} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			f := startFake(b)
			s := newStage(b, nil, f.addr)
			p := s.joinNodes(10)
			var holders []*client
			for gpid := range 10 {
				h := s.client(p, 0).of(uint64(clients + gpid + 1))
				h.get()
				holders = append(holders, h)
			}
			smaller := s.joinMoreNodes(5)
			defer smaller.Leave()
			smaller.Enters(uint64(clients+100), session.Settings{})
			c := &crowd{pool: p, left: b.N, over: make(chan struct{})}
			for gpid := range clients {
				s.loops[0].Post(func() { c.all = append(c.all, s.loops[0].Start(&one{crowd: c, gpid: gpid + 1})) })
			}
			wait(b, "all who want a server", func() error { return until(p.queued() == clients) })
			b.ResetTimer()
			for _, h := range holders {
				h.release()
			}
			<-c.over
		})
	}
}
