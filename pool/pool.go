package pool

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/puddle/v2"

	"portero/auth"
	"portero/discovery"
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// Key says what a pool's servers are for.
type Key struct {
	Cluster  string
	Group    int
	Role     string // leader | replica | any
	Database string // as the server names it
	User     string
}

// Pool lends the servers of one Key. All methods are safe for concurrent use
// except where they say that they belong to a loop.
type Pool struct {
	Key     Key
	Metrics *metrics.Pool

	owner   *Pools
	cluster *discovery.Cluster
	puddle  *puddle.Pool[*Server]
	size    int // servers at most
	minimum int // servers kept open once the pool is in use
	log     *slog.Logger
	ctx     context.Context // ends with the pool
	probing chan struct{}   // token of the one opener that may ask often

	mu          sync.Mutex // guards what follows; no I/O under it, but for epoll_ctl of a server nobody holds
	waiting     queue
	servers     map[*Server]struct{} // all that are open, in any state
	idle        int                  // of them, in puddle's idle stack
	lent        int
	opening     int           // openers at work
	wanted      int           // servers to have open even if nobody waits
	held        bool          // no leader: nobody is served
	epoch       uint64        // of the group; leader pools only
	proved      chan struct{} // closed when a server has been opened; then replaced
	welcomes    map[Settings][]byte
	credentials auth.Credentials
	clients     int
	nextHost    int       // for clusters whose hosts have to be asked
	unused      time.Time // since when nobody uses it
	closed      bool
	openers     sync.WaitGroup
}

func newPool(ps *Pools, key Key, size, minimum int) (*Pool, error) {
	p := &Pool{
		Key: key, owner: ps, cluster: ps.clusters[key.Cluster].discovery, size: size, minimum: minimum,
		log:     ps.log.With("cluster", key.Cluster, "group", key.Group, "role", key.Role, "database", key.Database, "user", key.User),
		probing: make(chan struct{}, 1), proved: make(chan struct{}), servers: make(map[*Server]struct{}),
		welcomes: make(map[Settings][]byte), ctx: ps.ctx,
		Metrics: metrics.NewPool(metrics.PoolLabels{Cluster: key.Cluster, Group: key.Group, Role: key.Role, Database: key.Database, User: key.User}, len(ps.loops)),
	}
	var err error
	p.puddle, err = puddle.NewPool(&puddle.Config[*Server]{
		Constructor: p.construct,
		Destructor:  p.destruct,
		// A destroyed server leaves puddle a moment later than our own count,
		// which is the one that keeps to the size.
		MaxSize: int32(2*size + 2),
	})
	if err != nil {
		return nil, err
	}
	p.follow(p.cluster.View())
	return p, nil
}

// Acquire asks for a server. True: c.Server is lent now. False: c is queued
// and its Task will be woken with c.Server or c.Err set. On c's loop.
func (p *Pool) Acquire(c *Claim) bool {
	p.mu.Lock()
	if p.waiting.n == 0 && p.idle > 0 && !p.held {
		if s := p.popIdleLocked(); s != nil {
			p.mu.Unlock()
			if c.take(s) {
				return true
			}
			p.destroy(s, metrics.Internal)
			p.mu.Lock()
		}
	}
	c.Since = c.loop.Now()
	p.waiting.push(c)
	p.openLocked()
	p.mu.Unlock()
	return false
}

// popIdleLocked takes the server that was used last.
func (p *Pool) popIdleLocked() *Server {
	for {
		r, err := p.puddle.TryAcquire(p.ctx)
		if err != nil {
			return nil
		}
		s := r.Value()
		if s.state == stateOpening {
			if !p.registerLocked(r) {
				continue
			}
		} else {
			p.idle--
			p.lent++
		}
		s.state = stateLent
		return s
	}
}

// registerLocked takes a server that has just been opened into the books, as
// lent to the caller; false if its time is over already.
func (p *Pool) registerLocked(r *puddle.Resource[*Server]) bool {
	s := r.Value()
	s.resource = r
	if p.closed || !p.currentLocked(s) {
		s.state = stateDead
		r.Destroy()
		return false
	}
	p.servers[s] = struct{}{}
	p.lent++
	return true
}

// take makes the claim the holder of s, on the claim's loop.
func (c *Claim) take(s *Server) bool {
	if err := s.Sock.Attach(c.loop); err != nil {
		return false
	}
	s.Sock.Watch(true)
	c.Events, c.Lost = 0, metrics.None
	c.Server = s
	s.holder.Store(c)
	return true
}

// Withdraw ends a wait. False: a server is on its way to c and will wake its
// Task; the caller must wait for it and give it back. On c's loop.
func (p *Pool) Withdraw(c *Claim) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.queued {
		p.waiting.remove(c)
		p.Metrics.Shard(c.loop.ID).Waited(time.Duration(c.loop.Now() - c.Since))
		return true
	}
	return c.handed == nil && c.failed == nil
}

// Release gives back a server that is clean: nothing asked, no transaction
// open, all its bytes read. On c's loop.
func (p *Pool) Release(c *Claim) {
	s := c.drop()
	p.mu.Lock()
	if s.cancels > 0 {
		s.state = stateCancelled
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.settle(s, c.loop)
}

// Discard closes a server that cannot be lent again. On c's loop.
func (p *Pool) Discard(c *Claim, why metrics.Reason) {
	p.destroy(c.drop(), why)
}

func (c *Claim) drop() *Server {
	s := c.Server
	c.Server, c.Lost = nil, metrics.None
	s.holder.Store(nil)
	return s
}

// settle finds a place for a free server: the first in the queue, the idle
// stack, or the grave. on is the loop that the caller runs on, nil if none.
func (p *Pool) settle(s *Server, on *loop.Loop) {
	p.mu.Lock()
	if why := p.overLocked(s); why != metrics.None {
		p.mu.Unlock()
		p.destroy(s, why)
		return
	}
	if p.waiting.n == 0 || p.held {
		p.restLocked(s)
		p.mu.Unlock()
		return
	}
	c := p.waiting.pop()
	c.handed = s
	s.state = stateLent
	p.mu.Unlock()
	c.wakeWith(on)
}

// wakeWith delivers what the claim was handed: at once when the caller runs on
// its loop.
func (c *Claim) wakeWith(on *loop.Loop) {
	if on == c.loop {
		c.deliver()
		return
	}
	c.loop.Post(c.deliver)
}

// delivered runs on the claim's loop.
func (c *Claim) delivered() {
	p := c.pool
	p.mu.Lock()
	s, failed := c.handed, c.failed
	c.handed, c.failed = nil, nil
	if s != nil && p.overLocked(s) != metrics.None {
		p.waiting.pushFront(c)
		p.mu.Unlock()
		p.destroy(s, metrics.EpochMoved)
		return
	}
	p.mu.Unlock()
	p.Metrics.Shard(c.loop.ID).Waited(time.Duration(c.loop.Now() - c.Since))
	switch {
	case failed != nil:
		c.Err = failed
	case c.left:
		p.settle(s, c.loop)
		return
	case !c.take(s):
		c.Err = wire.Fatal(wire.ConnectionFailure, "the server could not be used")
		p.destroy(s, metrics.Internal)
	}
	c.loop.Wake(c.task)
}

// overLocked says why a server must not be lent again; None if it may.
func (p *Pool) overLocked(s *Server) metrics.Reason {
	switch {
	case s.condemned != metrics.None:
		return s.condemned
	case p.closed:
		return metrics.Shutdown
	case s.expires != 0 && loop.Clock() > s.expires:
		return metrics.ServerLifetime
	}
	return metrics.None
}

// restLocked puts a server into the idle stack.
func (p *Pool) restLocked(s *Server) {
	s.state, s.since = stateIdle, loop.Clock()
	p.lent--
	p.idle++
	s.resource.ReleaseUnused()
}

// serveLocked hands idle servers to those who wait and returns the claims to
// be woken once mu is free.
func (p *Pool) serveLocked() (lucky []*Claim) {
	for p.waiting.n > 0 && p.idle > 0 && !p.held {
		s := p.popIdleLocked()
		if s == nil {
			break
		}
		c := p.waiting.pop()
		c.handed = s
		lucky = append(lucky, c)
	}
	return lucky
}

// failLocked ends all waits with an error that waiting longer would not cure.
func (p *Pool) failLocked(e *wire.Error) (failed []*Claim) {
	for p.waiting.n > 0 {
		c := p.waiting.pop()
		c.failed = e
		failed = append(failed, c)
	}
	return failed
}

func wakeAll(claims []*Claim) {
	for _, c := range claims {
		c.wakeWith(nil)
	}
}

// destroy closes a server that nobody holds and opens another if it is missed.
func (p *Pool) destroy(s *Server, why metrics.Reason) {
	p.mu.Lock()
	p.buryLocked(s)
	p.lent--
	p.openLocked()
	p.mu.Unlock()
	p.reportClosed(s, why)
	s.resource.Destroy()
}

func (p *Pool) buryLocked(s *Server) {
	s.state = stateDead
	delete(p.servers, s)
}

func (p *Pool) reportClosed(s *Server, why metrics.Reason) {
	level := slog.LevelInfo
	switch why {
	case metrics.ServerLost, metrics.ServerFatal, metrics.ServerProtocol, metrics.Internal:
		level = slog.LevelWarn
		p.Metrics.Error(why)
		p.cluster.Doubt(p.Key.Group, s.member)
	case metrics.EpochMoved, metrics.ServerRecovery, metrics.ServerDirty:
		p.Metrics.Error(why)
	}
	p.log.Log(p.ctx, level, "server closed", "member", s.member, "address", s.address, "pid", s.pid, "reason", why.String())
}

// destruct closes the socket on the loop that watches it. puddle calls it in
// a goroutine of its own.
func (p *Pool) destruct(s *Server) {
	bye := func() {
		s.Sock.Write(terminate) //nolint:errcheck // a courtesy
		s.Sock.Close()
	}
	if l := s.Sock.Loop(); l != nil {
		l.Post(bye)
		return
	}
	bye()
}

var terminate = []byte{'X', 0, 0, 0, 4}

// stirred is called when an idle server's socket has become readable.
func (p *Pool) stirred(s *Server, l *loop.Loop) {
	p.mu.Lock()
	switch s.state {
	case stateIdle:
		p.pickIdleLocked(s)
		p.mu.Unlock()
	case stateCancelled:
		p.mu.Unlock()
		s.Sock.Mute() // looked at when the cancel request is over
		return
	default:
		p.mu.Unlock() // just lent, or on its way out
		return
	}
	why, said := s.inspect(l.Scratch())
	if why == metrics.None {
		p.settle(s, l)
		return
	}
	if said != nil {
		p.log.Debug("idle server's last word", "pid", s.pid, "error", said.Error())
	}
	p.destroy(s, why)
}

// pickIdleLocked takes one server out of puddle's idle stack, which gives only
// its top: so all are taken and the others put back in their order.
func (p *Pool) pickIdleLocked(wanted *Server) {
	all := p.puddle.AcquireAllIdle()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Value() != wanted {
			all[i].ReleaseUnused()
		}
	}
	p.idle--
	p.lent++
	wanted.state = stateLent
}
