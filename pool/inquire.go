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

// inquireEvery is how often a host is asked for its role in the background.
const inquireEvery = time.Second

// inquiry asks one host of a list what it is, over a connection of its own and
// for as long as there are clients. Servers that are opened for clients say it
// too; but when the leader's host falls silent, all that a pool may have can be
// waiting there, and somebody else has been promoted.
//
// The leader is not asked: its servers tell. An inquiry belongs to its
// goroutine.
type inquiry struct {
	owner  *Pools
	name   string // of the cluster
	member discovery.Member
	log    *slog.Logger

	conn   net.Conn // nil: hung up
	stream *wire.Stream
	turn   int           // of the pools whose login is used
	failed bool          // and the log says so
	pause  time.Duration // a host that answers, but lets nobody in, is left alone for so long
	until  time.Time
}

// inquireAll starts the inquiries for a cluster whose hosts have to be asked. Of
// a single host its own servers tell everything.
func (ps *Pools) inquireAll(name string) {
	g := ps.clusters[name].discovery.View().Groups[0]
	if g == nil || !g.AskHosts || len(g.Members) < 2 {
		return
	}
	for _, m := range g.Members {
		q := &inquiry{owner: ps, name: name, member: m, log: ps.log.With("cluster", name, "member", m.Name)}
		ps.workers.Add(1)
		go q.run()
	}
}

func (q *inquiry) run() {
	defer q.owner.workers.Done()
	defer q.hangUp()
	tick := time.NewTicker(inquireEvery)
	defer tick.Stop()
	for {
		select {
		case <-q.owner.ctx.Done():
			return
		case <-tick.C:
			q.inquire()
		}
	}
}

// inquire asks once, if there is a reason to.
func (q *inquiry) inquire() {
	d := q.owner.clusters[q.name].discovery
	p := q.login()
	if g := d.View().Groups[0]; p == nil || g == nil || g.Leader == q.member.Name {
		q.hangUp()
		return
	}
	if time.Now().Before(q.until) {
		return
	}
	ctx, stop := context.WithTimeout(q.owner.ctx, q.owner.limits.ServerConnectTimeout)
	defer stop()
	proof, err := q.ask(ctx, p)
	if q.owner.ctx.Err() != nil {
		return
	}
	q.report(err)
	if err != nil {
		q.hangUp()
		q.backOff(err)
		return
	}
	q.pause = 0
	proof.Member = q.member.Name
	d.Observe(proof)
}

// backOff turns to the login of another pool, and after a while only if the
// host has answered to this one.
func (q *inquiry) backOff(err error) {
	q.turn++
	if faultOf(err) == faultFailed {
		q.pause = 0
		return
	}
	q.pause = min(max(2*q.pause, firstRefusal), longestRefusal)
	q.until = time.Now().Add(q.pause)
}

// login is a pool in use, whose login is used; nil if there is none.
func (q *inquiry) login() *Pool {
	var inUse []*Pool
	for _, p := range q.owner.all() {
		if p.Key.Cluster == q.name && p.inUse() {
			inUse = append(inUse, p)
		}
	}
	if len(inUse) == 0 {
		return nil
	}
	return inUse[q.turn%len(inUse)]
}

// inUse reports whether a pool has clients, and a server has let it in.
func (p *Pool) inUse() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known && p.clients > 0
}

// ask asks over the connection that is there, or over a new one.
func (q *inquiry) ask(ctx context.Context, p *Pool) (discovery.Proof, error) {
	if q.conn != nil {
		deadline, _ := ctx.Deadline()
		q.conn.SetDeadline(deadline) //nolint:errcheck // a closed connection fails at its first use
		if proof, err := q.put(ctx); err == nil || ctx.Err() != nil {
			return proof, err
		}
		q.hangUp() // it has been restarted, perhaps
	}
	if err := q.logIn(ctx, p); err != nil {
		return discovery.Proof{}, err
	}
	return q.put(ctx)
}

// put puts the question for the role.
func (q *inquiry) put(ctx context.Context) (discovery.Proof, error) {
	defer hurry(ctx, q.conn)()
	said, err := ask(q.stream, false)
	return said.Proof, err
}

// logIn opens the connection with the pool's login.
func (q *inquiry) logIn(ctx context.Context, p *Pool) error {
	conn, err := q.owner.clusters[q.name].dial(ctx, q.member.Address)
	if err != nil {
		return err
	}
	defer hurry(ctx, conn)()
	q.conn, q.stream = conn, wire.NewStream(conn)
	_, err = auth.Login(q.stream, p.loginParams(conn))
	return err
}

func (q *inquiry) hangUp() {
	if q.conn == nil {
		return
	}
	q.conn.SetDeadline(time.Now().Add(time.Second)) //nolint:errcheck // likewise
	q.conn.Write(terminate)                         //nolint:errcheck // a courtesy
	q.conn.Close()
	q.conn, q.stream = nil, nil
}

// report says once that a host does not answer, and once that it does again.
func (q *inquiry) report(err error) {
	switch {
	case err != nil && !q.failed:
		q.log.Warn("host does not tell its role", "error", err)
	case err != nil:
		q.log.Debug("host still does not tell its role", "error", err)
	case q.failed:
		q.log.Info("host tells its role again")
	}
	q.failed = err != nil
}
