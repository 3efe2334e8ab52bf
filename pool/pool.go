package pool

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/puddle/v2"

	"portero/discovery"
	"portero/loop"
	"portero/metrics"
	"portero/session"
	"portero/wire"
)

// Key says what a pool's servers are for.
type Key struct {
	Cluster  string
	Group    int
	Role     string        // leader | replica | prefer-replica | any; of YugabyteDB any | only-primary | only-rr | prefer-primary | prefer-rr
	MaxLag   time.Duration // of the replicas that may serve it; 0 = no bound, as always for role leader
	Mode     string        // session | transaction | statement: what one leaves on a server another must not meet; or LogicalReplication, PhysicalReplication
	Database string        // as the server names it
	User     string
	Citus    string // of which kind these clients are, by CitusOrigin: one's servers are never another's
}

func (k Key) labels() metrics.PoolLabels {
	return metrics.PoolLabels{Cluster: k.Cluster, Group: k.Group, Role: k.Role, Mode: k.Mode, Database: k.Database, User: k.User}
}

func (k Key) logger(l *slog.Logger) *slog.Logger {
	l = l.With("cluster", k.Cluster, "group", k.Group, "role", k.Role, "mode", k.Mode, "database", k.Database, "user", k.User)
	if k.MaxLag > 0 {
		l = l.With("max_lag", k.MaxLag)
	}
	if k.Citus != "" {
		l = l.With("citus", k.Citus)
	}
	return l
}

// mostServers is above all that config lets a pool have.
const mostServers = 1 << 20

// Pool lends the servers of one Key. All methods are safe for concurrent use
// except where they say that they belong to a loop.
type Pool struct {
	Key Key

	counters atomic.Pointer[metrics.Pool] // those of all candidates, until a server lets it in

	names   names
	owner   *Pools
	home    atomic.Pointer[cluster] // see cluster()
	puddle  *puddle.Pool[*Server]
	pins    pins
	agreed  atomic.Pointer[Terms] // see terms()
	log     *slog.Logger
	ctx     context.Context // ends with the pool
	stop    context.CancelFunc
	door    door          // where a candidate waits for its turn
	probing chan struct{} // token of the one opener that may ask often
	ear     *ear
	spreads atomic.Pointer[[]*Spread] // whose clients are at home here; see Spread
	reached atomic.Pointer[[]*Spread] // of which it is a group; nil: of none

	guests   atomic.Int32 // of its clients, those that are Spreads
	bank     *bank        // of pools between Citus' nodes; else nil
	page     int          // its in the bank
	settling atomic.Int32 // servers lent to those who only settle

	cancels     atomic.Int32 // cancel requests on their way to a server
	cancelsWait atomic.Int32 // those that wait for their turn
	closing     atomic.Int32 // servers that are out of the books, and whose socket is not closed yet
	announced   atomic.Bool  // a switchover is, and holds those who begin a block

	mu         sync.Mutex // guards what follows; no I/O under it, but for epoll_ctl of a server nobody holds
	waiting    queue
	choosy     queue                // those of them for whom only a server as new will do; each has given one up
	aside      queue                // those whom the bank has to let in first
	called     []*Claim             // see calledLocked
	servers    map[*Server]struct{} // all that are open, in any state
	places     []*place             // the same by their members
	turn       int                  // of the places, among those that are equal
	idle       int
	lent       int
	opening    int             // openers at work
	opens      context.Context // of the openers; ends with the pool, when it moves, or by an order
	recall     context.CancelFunc
	reserved   int             // servers beyond pool_size, opened for those who only settle
	openers    map[Startup]int // the same by what they open servers with
	turnover   turnover
	lingers    bool        // servers are to drop their names soon
	usual      Startup     // what the last server was opened with: the next that nobody waits for is, too
	wanted     int         // servers to have open even if nobody waits
	heirs      int         // of them, for those that were closed when the leader moved
	heirsUntil int64       // so long they are waited for, on the loops' clock
	known      bool        // a server has let it in: it is a candidate no more
	inside     bool        // a candidate's opener has its turn at the door
	verdict    *wire.Error // why a candidate was given up
	tried      [32]byte    // fingerprint of the secret that was refused last
	refused    bool        // the last login was refused for good
	warned     int64       // when a failure to open was last logged aloud
	trouble    trouble     // the last failure, for clients
	failing    bool        // ... and no server has been opened since
	followed   *discovery.View
	now        plan // by it
	warm       warmth
	epoch      uint64        // of the group; leader pools only
	opened     uint64        // newest epoch of a server that it has had
	proved     chan struct{} // closed when a server has been opened; then replaced
	welcomes   map[session.Settings]welcome
	saidIn     uint64              // the epoch of the servers that said them
	objections map[objection]int64 // against settings, until when they are remembered
	misfits    map[Startup]knownMisfit
	secrets    secrets
	clients    int
	nextHost   int              // for clusters whose hosts have to be asked
	shunned    map[string]*shun // members that failed
	unused     time.Time        // since when nobody uses it
	closed     bool
	kept       int64 // until when it keeps its minimum of servers without clients, on the loops' clock

	share  int               // of the quota: servers, and those being opened; guarded by its mu
	bounds [numBounds]*bound // of the quota; what they hold is guarded by its mu
}

func newPool(ps *Pools, name string, key Key, terms Terms) (*Pool, error) {
	home := ps.clusters()[key.Cluster]
	if home == nil {
		return nil, errNoCluster
	}
	p := &Pool{
		Key: key, owner: ps,
		log:     key.logger(ps.log),
		probing: make(chan struct{}, 1), proved: make(chan struct{}), servers: make(map[*Server]struct{}),
		welcomes: make(map[session.Settings]welcome), objections: make(map[objection]int64), misfits: make(map[Startup]knownMisfit), openers: make(map[Startup]int), shunned: make(map[string]*shun), door: ps.doorLocked(key),
	}
	p.home.Store(home)
	p.agreed.Store(&terms)
	p.ctx, p.stop = context.WithCancel(ps.ctx)
	p.opens, p.recall = context.WithCancel(p.ctx)
	p.names.add(name)
	p.counters.Store(ps.candidates)
	p.ear = newEar(p)
	var err error
	p.puddle, err = puddle.NewPool(&puddle.Config[*Server]{
		Constructor: p.construct,
		Destructor:  p.destruct,
		MaxSize:     mostServers, // how many there may be is counted here, as it changes
	})
	if err != nil {
		return nil, err
	}
	ps.quota.enter(p)
	if p.bank = ps.bankLocked(key); p.bank != nil {
		p.bank.enter(p)
	}
	p.follow(home, home.discovery.View())
	return p, nil
}

// Metrics is what the pool counts into. Any goroutine.
func (p *Pool) Metrics() *metrics.Pool { return p.counters.Load() }

// Acquire asks for a server. True: c.Server is lent now. False: c is queued
// and its Task will be woken with c.Server or c.Err set. On c's loop.
func (p *Pool) Acquire(c *Claim) bool {
	p.mu.Lock()
	if c.origin = 0; p.bank != nil && !c.Settles {
		c.origin = originOf(c.Settings, c.Number)
	}
	p.waiting.enroll(c) // an exchange goes by it
	c.asNew, c.after, c.barred = false, 0, false
	for (p.waiting.n == 0 || c.Settles) && p.idle > 0 && !p.holdsLocked(c) && (p.bank == nil || p.hasForLocked(c)) && p.admitsLocked(c, 0) {
		s := p.popIdleLocked(c)
		if s == nil {
			break
		}
		why := p.overLocked(s, c.loop)
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
	p.countOut(c)
	if c.Since = c.loop.Now(); !c.Strayed {
		c.arrived = c.Since
	}
	if c.failed = p.verdict; c.failed == nil {
		if e := p.knownMisfitLocked(c.Startup); e != nil {
			c.failed, c.failedBy = e.said.AsFatal(), e.frame
		}
	}
	if c.failed != nil {
		p.leavesBankLocked(c)
		p.mu.Unlock()
		c.wakeWith(nil)
		return false
	}
	p.waiting.push(c)
	wake := p.serveLocked()
	p.openLocked()
	late := c.lined != nil && p.roomLocked() < 0
	p.mu.Unlock()
	wakeAll(wake)
	if late { // one may have become free elsewhere before it was in the line
		c.Roams.offer()
	}
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
	c.Server, s.granted = s, c.loop.Now()
	c.pool.Metrics().Shard(c.loop.ID).Assignments.Add(1)
	return true
}

// Withdraw ends a wait. False: a server is on its way to c and will wake its
// Task, or the word that it has strayed; the caller must wait for it and give it back. On c's loop.
func (p *Pool) Withdraw(c *Claim) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.queued {
		p.leavesLocked(c)
		p.Metrics().Shard(c.loop.ID).Waited(time.Duration(c.loop.Now() - c.Since))
		return true
	}
	return c.handed == nil && c.failed == nil && !c.astray
}

// Release gives back a server that is clean: nothing asked, no transaction
// open, all its bytes read. On c's loop.
func (p *Pool) Release(c *Claim) {
	s := c.drop()
	s.Sock.SendCollected() // nothing mostly; who has it next may be on another loop
	if s.strays() {
		p.destroy(s, metrics.ServerDirty)
		return
	}
	p.mu.Lock()
	if s.cancels > 0 {
		s.state = stateCancelled
		p.mu.Unlock()
		return
	}
	p.passOnLocked(s, c.loop, true)
}

// Discard closes a server that cannot be lent again. On c's loop.
func (p *Pool) Discard(c *Claim, why metrics.Reason) {
	p.destroy(c.drop(), why)
}

// Exchange closes the server that the claim holds, which is not its client's
// fault, and asks for another: before all who wait, as its turn had come. asNew:
// one that no client has worked on. The Task is woken as after Acquire. On c's loop.
func (p *Pool) Exchange(c *Claim, why metrics.Reason, asNew bool) {
	p.exchange(c, why, asNew || c.after > 0)
}

// Renew is Exchange for a server that is opened from now on, whatever is idle. Where
// PostgreSQL shuts down, that is one of its successor: a postmaster that has begun to
// end its backends lets nobody in any more.
func (p *Pool) Renew(c *Claim, why metrics.Reason) {
	c.after = loop.Clock()
	p.exchange(c, why, true)
}

func (p *Pool) exchange(c *Claim, why metrics.Reason, asNew bool) {
	s := c.drop()
	p.mu.Lock()
	c.Since, c.asNew, c.barred = c.loop.Now(), asNew, false
	p.queueOfLocked(c).putBack(c)
	wake := p.serveLocked()
	p.mu.Unlock()
	wakeAll(wake)
	p.destroy(s, why)
}

func (c *Claim) drop() *Server {
	s := c.Server
	c.Server, c.Lost = nil, metrics.None
	s.holder.Store(nil)
	s.pool.countOut(c)
	return s
}
