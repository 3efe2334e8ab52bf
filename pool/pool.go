package pool

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/puddle/v2"

	"portero/auth"
	"portero/discovery"
	"portero/metrics"
	"portero/session"
)

// Key says what a pool's servers are for.
type Key struct {
	Cluster  string
	Group    int
	Role     string // leader | replica | any
	Mode     string // session | transaction | statement: what one leaves on a server another must not meet
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
	opening     int   // openers at work
	wanted      int   // servers to have open even if nobody waits
	held        bool  // no leader: nobody is served
	refused     bool  // the last login was refused for good
	warned      int64 // when a failure to open was last logged aloud
	followed    *discovery.View
	epoch       uint64        // of the group; leader pools only
	proved      chan struct{} // closed when a server has been opened; then replaced
	welcomes    map[session.Settings][]byte
	credentials auth.Credentials
	clients     int
	nextHost    int              // for clusters whose hosts have to be asked
	heading     map[string]int   // openers on their way to a member; roles replica and any only
	shunned     map[string]int64 // members that failed, until when they are passed over; likewise
	unused      time.Time        // since when nobody uses it
	closed      bool
	openers     sync.WaitGroup
}

func newPool(ps *Pools, key Key, size, minimum int) (*Pool, error) {
	p := &Pool{
		Key: key, owner: ps, cluster: ps.clusters[key.Cluster].discovery, size: size, minimum: minimum,
		log:     ps.log.With("cluster", key.Cluster, "group", key.Group, "role", key.Role, "mode", key.Mode, "database", key.Database, "user", key.User),
		probing: make(chan struct{}, 1), proved: make(chan struct{}), servers: make(map[*Server]struct{}),
		welcomes: make(map[session.Settings][]byte), heading: make(map[string]int), shunned: make(map[string]int64), ctx: ps.ctx,
		Metrics: metrics.NewPool(metrics.PoolLabels{Cluster: key.Cluster, Group: key.Group, Role: key.Role, Mode: key.Mode, Database: key.Database, User: key.User}, len(ps.loops)),
	}
	var err error
	p.puddle, err = puddle.NewPool(&puddle.Config[*Server]{
		Constructor: p.construct,
		Destructor:  p.destruct,
		MaxSize:     int32(size),
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
	for p.waiting.n == 0 && p.idle > 0 && !p.held {
		s := p.popIdleLocked()
		if s == nil {
			break
		}
		why := p.overLocked(s)
		if why == metrics.None {
			s.holder.Store(c)
		}
		p.mu.Unlock()
		if why == metrics.None {
			if c.take(s) {
				return true
			}
			why = metrics.Internal
		}
		p.destroy(s, why)
		p.mu.Lock()
	}
	c.Since = c.loop.Now()
	p.waiting.push(c)
	wake := p.serveLocked()
	p.openLocked()
	p.mu.Unlock()
	wakeAll(wake)
	return false
}

// take moves s, whose holder the claim is, to the claim's loop.
func (c *Claim) take(s *Server) bool {
	if err := s.Sock.Attach(c.loop); err != nil {
		s.holder.Store(nil)
		return false
	}
	s.Sock.Watch(true)
	c.Events, c.Lost = 0, metrics.None
	c.Server = s
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
	p.settleLocked(s, c.loop)
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
