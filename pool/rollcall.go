package pool

import (
	"context"
	"log/slog"
	"net"
	"time"

	"portero/auth"
	"portero/discovery"
	"portero/wire"
)

// leastRefresh is the least time between two questions for the nodes.
const leastRefresh = time.Second

// rollCall asks a node of a YugabyteDB cluster for all nodes, every `refresh` and when
// one fails, over a connection of its own with the login of a pool that clients use.
// Without clients nobody asks; the first server that is opened then does (cluster.learn).
//
// It belongs to its goroutine.
type rollCall struct {
	cluster *cluster
	log     *slog.Logger

	conn   net.Conn // nil: hung up
	stream *wire.Stream
	from   *Pool            // whose login conn was opened with
	member discovery.Member // where it is

	turn     int           // of the pools whose login is used, and of the nodes that are asked
	patience time.Duration // with each node; it grows when none answers, as logins may be slow there
	failed   toldOnce
}

func (r *rollCall) run() {
	ctx := r.cluster.ctx
	defer r.cluster.owner.workers.Done()
	defer r.hangUp()
	for {
		wait := r.call(ctx)
		if !r.await(ctx, leastRefresh, nil) || !r.await(ctx, wait-leastRefresh, r.cluster.recount) {
			return
		}
	}
}

// await waits for d, or until somebody wants to know; false: nobody will any more.
func (r *rollCall) await(ctx context.Context, d time.Duration, wanted <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wanted:
	case <-t.C:
	}
	return true
}

// recall has the nodes asked for soon, as one has failed. Any goroutine; it never blocks.
func (cl *cluster) recall() {
	select {
	case cl.recount <- struct{}{}:
	default:
	}
}

// call asks once, if clients need to know, and says when to ask again.
func (r *rollCall) call(ctx context.Context) (wait time.Duration) {
	if r.conn != nil && r.from.ordered() == HoldPaused {
		r.hangUp()
	}
	p := r.login()
	if p == nil {
		r.hangUp()
		return leastRefresh
	}
	err := r.ask(ctx, p)
	if ctx.Err() != nil {
		return leastRefresh
	}
	r.failed.tell(r.log, "no node tells of the others", err) // that one does again, discovery says
	if err != nil {
		r.turn++
		r.patience = min(max(2*r.patience, firstPatience), r.cluster.owner.limits().ServerConnectTimeout)
		r.cluster.discovery.Untold()
		return leastRefresh
	}
	return r.cluster.refresh
}

// login is a pool in use, whose login is used; nil if there is none.
func (r *rollCall) login() *Pool {
	inUse := r.cluster.inUse()
	if len(inUse) == 0 {
		return nil
	}
	return inUse[r.turn%len(inUse)]
}

// inUse are the pools that the cluster's servers have let in, and that somebody uses.
func (cl *cluster) inUse() (all []*Pool) {
	for _, p := range cl.owner.all() {
		if p.home.Load() == cl && p.inUse() {
			all = append(all, p)
		}
	}
	return all
}

// ask asks over the connection that is there, or else each node until one answers.
func (r *rollCall) ask(ctx context.Context, p *Pool) (err error) {
	if r.conn != nil {
		if err = r.put(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		r.hangUp()
	}
	nodes := r.cluster.discovery.Contacts()
	for i := range nodes {
		if err = r.logIn(ctx, p, nodes[(i+r.turn)%len(nodes)]); err == nil {
			err = r.put(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		r.hangUp()
	}
	return err
}

// bounded is ctx with the time that one node has.
func (r *rollCall) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, max(r.patience, firstPatience))
}

func (r *rollCall) put(ctx context.Context) error {
	ctx, stop := r.bounded(ctx)
	defer stop()
	defer hurry(ctx, r.conn)()
	if err := r.cluster.askNodes(r.conn, r.stream, r.member.Address, false); err != nil {
		return err
	}
	if g := r.cluster.discovery.View().Groups[0]; g != nil {
		if _, there := g.Member(r.member.Name); !there {
			r.hangUp() // it is no node of the cluster any more, and may soon know nothing of it
		}
	}
	return nil
}

// logIn opens the connection with the pool's login.
func (r *rollCall) logIn(ctx context.Context, p *Pool, m discovery.Member) error {
	ctx, stop := r.bounded(ctx)
	defer stop()
	conn, err := r.cluster.dial(ctx, m.Address)
	if err != nil {
		return err
	}
	defer hurry(ctx, conn)()
	r.conn, r.stream, r.from, r.member = conn, wire.NewStream(conn), p, m
	_, err = auth.Login(r.stream, p.loginParams(conn))
	return err
}

func (r *rollCall) hangUp() {
	if r.conn == nil {
		return
	}
	partFrom(r.conn)
	r.conn, r.stream = nil, nil
}
