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

// inquireEvery is how often a host is asked for its role and position in the background.
const inquireEvery = time.Second

// inquiry asks one member what it is and where in the WAL, over a connection of its
// own and for as long as somebody needs to know.
//
// Of a list of hosts all are asked but the leader, while there are clients. Servers
// that are opened for clients say it too; but when the leader's host falls silent, all
// that a pool may have can be waiting there, and somebody else has been promoted.
// Where replicas must not lag, or are to be preferred if they answer, all members are
// asked, under Patroni too.
//
// An inquiry belongs to its goroutine.
type inquiry struct {
	owner   *Pools
	cluster *cluster
	group   int
	member  discovery.Member
	log     *slog.Logger

	conn   net.Conn // nil: hung up
	stream *wire.Stream
	from   *Pool // whose login conn was opened with
	turn   int   // of the pools whose login is used
	failed toldOnce
	pause  time.Duration // a host that answers, but lets nobody in, is left alone for so long
	until  time.Time
}

// inquired is what an inquiry is about: at another address a member is another.
type inquired struct {
	group         int
	name, address string
}

// inquiries are those of a cluster. They belong to the goroutine that follows it.
type inquiries struct {
	cluster *cluster
	running map[inquired]context.CancelFunc
}

// follow begins the inquiries for members that are new, and ends those for members
// that are gone.
func (all *inquiries) follow(v *discovery.View) {
	wanted := make(map[inquired]bool)
	for id, g := range v.Groups {
		if !all.cluster.measured.Load() && (!g.AskHosts || len(g.Members) < 2) {
			continue // of a single host its own servers tell everything
		}
		for _, m := range g.Members {
			what := inquired{id, m.Name, m.Address}
			if m.Address == "" {
				continue // its key cannot be read
			}
			if wanted[what] = true; all.running[what] == nil {
				all.begin(what, m)
			}
		}
	}
	for what, stop := range all.running {
		if !wanted[what] {
			stop()
			delete(all.running, what)
		}
	}
}

// end ends all of them.
func (all *inquiries) end() {
	for _, stop := range all.running {
		stop()
	}
}

func (all *inquiries) begin(what inquired, m discovery.Member) {
	cl := all.cluster
	ctx, stop := context.WithCancel(cl.ctx)
	all.running[what] = stop
	q := &inquiry{owner: cl.owner, cluster: cl, group: what.group, member: m,
		log: cl.owner.log.With("cluster", cl.name, "group", what.group, "member", m.Name)}
	cl.owner.workers.Add(1)
	go q.run(ctx)
}

func (q *inquiry) run(ctx context.Context) {
	defer q.owner.workers.Done()
	defer q.forget()
	defer q.hangUp()
	tick := time.NewTicker(inquireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			q.inquire(ctx)
		}
	}
}

// inquire asks once, if there is a reason to.
func (q *inquiry) inquire(ctx context.Context) {
	d := q.cluster.discovery
	if q.conn != nil && q.from.ordered() == HoldPaused {
		q.hangUp()
	}
	p, measured := q.login()
	g := d.View().Groups[q.group]
	if !measured {
		q.forget()
	}
	if p == nil || g == nil || !measured && (!g.AskHosts || g.Leader == q.member.Name) {
		q.hangUp()
		return
	}
	if time.Now().Before(q.until) {
		return
	}
	asking, stop := context.WithTimeout(ctx, q.owner.limits().ServerConnectTimeout)
	defer stop()
	said, at, err := q.ask(asking, p)
	if ctx.Err() != nil {
		return
	}
	if q.failed.tell(q.log, "member does not tell what it is", err) {
		q.log.Info("member tells what it is again")
	}
	if err != nil {
		q.hangUp()
		q.backOff(err)
		return
	}
	q.pause = 0
	if g.AskHosts {
		said.Group, said.Member = q.group, q.member.Name
		d.Observe(said.Proof)
	}
	if measured {
		q.measure(g, said, at)
	}
}

// measure takes where the member is, which it was asked at a time when g was the group.
func (q *inquiry) measure(g *discovery.Group, said account, at time.Time) {
	cl := q.cluster
	if now := cl.discovery.View().Groups[q.group]; now == nil || now.Epoch != g.Epoch {
		return // of which epoch that is, is not certain
	}
	if q.member.Name == g.Holder() {
		cl.lags.lead(q.group, g.Epoch, said.position, time.Now())
	}
	if said.InRecovery {
		cl.lags.follow(q.group, q.member.Name, said.position, at)
	} else {
		q.forget()
	}
}

func (q *inquiry) forget() { q.cluster.lags.forget(q.group, q.member.Name) }

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

// login is a pool in use, whose login is used; nil if there is none. measured: one of
// those in use needs to know of replicas.
func (q *inquiry) login() (p *Pool, measured bool) {
	var inUse []*Pool
	for _, p := range q.owner.all() {
		if p.home.Load() == q.cluster && p.Key.Group == q.group && p.inUse() {
			inUse = append(inUse, p)
			measured = measured || p.demand().measures()
		}
	}
	if len(inUse) == 0 {
		return nil, false
	}
	return inUse[q.turn%len(inUse)], measured
}

// inUse reports whether a server has let a pool in, and it has clients: that its login leads
// to a database. One that needs
// to know of replicas is in use as long as it has servers: the next client of those who
// come for one question each is not to wait until they have been measured anew. So is any as
// long as nobody has told of the nodes of a YugabyteDB cluster, which is not ready before that.
func (p *Pool) inUse() bool {
	measures, toLearn := p.demand().measures(), p.home.Load().isToLearn()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known && p.saysSQL() && p.now.hold != HoldPaused && (p.clients > 0 || measures && len(p.servers) > 0 || toLearn)
}

// ask asks over the connection that is there, or over a new one. at is when the
// question was put that was answered.
func (q *inquiry) ask(ctx context.Context, p *Pool) (said account, at time.Time, err error) {
	if q.conn != nil {
		deadline, _ := ctx.Deadline()
		q.conn.SetDeadline(deadline) //nolint:errcheck // a closed connection fails at its first use
		at = time.Now()
		if said, err = q.put(ctx); err == nil || ctx.Err() != nil {
			return said, at, err
		}
		q.hangUp() // it has been restarted, perhaps
	}
	if err = q.logIn(ctx, p); err != nil {
		return said, at, err
	}
	at = time.Now()
	said, err = q.put(ctx)
	return said, at, err
}

// put puts the question.
func (q *inquiry) put(ctx context.Context) (account, error) {
	defer hurry(ctx, q.conn)()
	return q.cluster.ask(q.stream, false)
}

// logIn opens the connection with the pool's login.
func (q *inquiry) logIn(ctx context.Context, p *Pool) error {
	conn, err := q.cluster.dial(ctx, q.member.Address)
	if err != nil {
		return err
	}
	defer hurry(ctx, conn)()
	q.conn, q.stream, q.from = conn, wire.NewStream(conn), p
	_, err = auth.Login(q.stream, p.loginParams(conn))
	return err
}

func (q *inquiry) hangUp() {
	if q.conn == nil {
		return
	}
	partFrom(q.conn)
	q.conn, q.stream = nil, nil
}
