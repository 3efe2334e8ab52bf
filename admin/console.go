package admin

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"portero/metrics"
	"portero/proxy"
	"portero/wire"
)

// The PgBouncer that the console passes for: clients read its tables by position, and its
// version as three numbers.
const (
	imitatedVersion = "1.25.2"
	consoleDatabase = "pgbouncer" // also the user that its clients are shown as
)

// ConsoleOptions say what the console shows and does. The functions are called from the
// goroutines of its clients. A command whose function is nil is answered by an error.
type ConsoleOptions struct {
	Version    string     // of Portero
	Started    time.Time  // when this process began to serve
	ListenPort func() int // of the first listener that has a port

	Pools      func() []metrics.PoolState
	Candidates func() metrics.CandidatesState
	Groups     func() []metrics.GroupState
	Failovers  func() []metrics.FailoverState // the newest first
	Clients    func(ctx context.Context) []metrics.ClientState
	Servers    func(ctx context.Context) []metrics.ServerState
	Databases  func() []metrics.DatabaseState // the console adds those that only its pools name
	Users      func() []metrics.UserState     // that are known beside those of the pools
	Settings   func() []Setting
	Listeners  func() []string // in use
	Ready      func() []string // why clients cannot be served
	Process    *metrics.Process
	Holding    func() string                                 // of all databases: paused or suspended; "" = neither
	Ordered    func(database string) (paused, disabled bool) // what is ordered for one, by the name that clients have for it

	// The functions for one database take it as clients name it, and all with "".

	Pause      func(ctx context.Context, database string) error // until its servers are released
	WaitClose  func(ctx context.Context, database string) error // until servers that were to be closed are
	Suspend    func(ctx context.Context) error
	Resume     func(database string) error
	Disable    func(database string) error
	Enable     func(database string) error
	Reconnect  func(database string) error
	Kill       func(database string) error
	KillClient func(id uint64) bool // false: there is none
	Reload     func() error
	Set        func(key, value string) error
	Shutdown   func(mode ShutdownMode) // begins it, and does not wait

	AcceptTimeline func(cluster string, group int, timeline int64) error // as Options.AcceptTimeline

	// StatsPeriod is how long averages are over; 0 = they are, but nothing is logged.
	StatsPeriod func() time.Duration
	// Log has a line for each command but SHOW, and the averages. nil: nobody is told.
	Log *slog.Logger
}

// Setting is a row of SHOW CONFIG.
type Setting struct {
	Key, Value, Default string
	Changeable          bool // without a restart
}

// ShutdownMode is how patient a shutdown is.
type ShutdownMode uint8

// The modes.
const (
	ShutdownAtOnce         ShutdownMode = iota
	ShutdownWaitForServers              // transactions are finished
	ShutdownWaitForClients              // clients leave by themselves
)

// Console is the console over PostgreSQL's protocol. Its methods may be called from any
// goroutine, Start once and before the others.
type Console struct {
	o       ConsoleOptions
	log     *slog.Logger
	queries atomic.Uint64 // that its clients have sent

	mu       sync.Mutex // guards what follows
	sessions map[uint64]*session
	stats    averages

	stop chan struct{} // closed by Close
	done chan struct{} // closed when sample has returned
}

// NewConsole returns a console with nobody at it.
func NewConsole(o ConsoleOptions) *Console {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Console{o: o, log: o.Log, sessions: make(map[uint64]*session), stop: make(chan struct{}), done: make(chan struct{})}
}

// Start begins to take samples for the averages.
func (c *Console) Start() {
	c.mu.Lock()
	c.stats = startAverages(time.Now(), c.totals())
	c.mu.Unlock()
	go c.sample()
}

// Close ends what Start has begun. The clients are the proxy's to end.
func (c *Console) Close() {
	close(c.stop)
	<-c.done
}

// Serve is a proxy.Console.
func (c *Console) Serve(ctx context.Context, client *proxy.ConsoleClient) *wire.Error {
	s := &session{console: c, client: client, stream: client.Stream, asked: client.Connected}
	c.mu.Lock()
	c.sessions[client.ID] = s
	c.mu.Unlock()
	defer c.leave(client.ID)
	defer s.resume()
	return s.serve(ctx)
}

// resume ends a SUSPEND whose client has gone, as in PgBouncer: else nobody would.
func (s *session) resume() {
	if o := &s.console.o; s.suspend && o.Resume != nil && o.Holding != nil && o.Holding() == "suspended" {
		o.Resume("") //nolint:errcheck // somebody else has ended it
	}
}

func (c *Console) leave(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, id)
}

// killSession ends a client of the console. False: it is none.
func (c *Console) killSession(id uint64) bool {
	c.mu.Lock()
	s := c.sessions[id]
	c.mu.Unlock()
	if s == nil {
		return false
	}
	s.client.Close()
	return true
}

// own are the console's clients, as the tables show them.
func (c *Console) own() []metrics.ClientState {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []metrics.ClientState
	for _, s := range c.sessions {
		all = append(all, metrics.ClientState{
			ID: s.client.ID, User: s.client.User, Database: consoleDatabase, State: "active",
			Address: s.client.Address, Local: s.client.Local, Connected: s.client.Connected, Requested: s.asked,
			RemotePID: s.client.PID, TLS: s.client.TLS, Application: s.client.Application,
		})
	}
	return all
}
