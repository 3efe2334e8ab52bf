package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"portero/admin"
	"portero/auth"
	"portero/config"
	"portero/discovery"
	"portero/journal"
	"portero/loop"
	"portero/metrics"
	"portero/passage"
	"portero/pool"
	"portero/proxy"
	"portero/translate"
)

// parts is what a configuration becomes before anything is opened.
type parts struct {
	cfg         *config.Config
	auth        *auth.Authenticator
	origins     *config.Origins // of the settings of cfg
	descriptors descriptors
	files       []config.File      // that it was read from
	over        []string           // what was set on the console, in the form of os.Environ
	unknown     []string           // what there is to say of variables that mean nothing
	remarks     []translate.Remark // on what a file of PgBouncer's has that Portero has not
}

// prepare reads a file, none with "", the environment, and the files that these
// name; over comes before the environment. An error is all faults of all of them; of what is
// returned beside it only the files are to be used.
func prepare(path string, over []string) (*parts, error) {
	p := &parts{over: over}
	check := func(cfg *config.Config, r *config.Report) {
		p.auth = auth.Load(cfg, r)
		p.descriptors = shareOut(cfg, r)
		p.files, p.origins = r.Files(), r.Origins(over)
	}
	if path != "" {
		p.files = []config.File{config.Look(path)}
	}
	if text, ok := pgbouncerINI(path); ok {
		return p, p.fromPgBouncer(path, text, check)
	}
	var err error
	p.cfg, p.unknown, err = config.Read(path, environ(over), check)
	return p, err
}

// instance is a running Portero.
type instance struct {
	path     string // of the configuration; "" = none
	log      *slog.Logger
	logLevel *slog.LevelVar
	process  *metrics.Process
	loops    []*loop.Loop
	hangs    time.Duration // how long one of them may be silent
	pulse    *loop.Pulse   // of loops
	pools    *pool.Pools
	proxy    *proxy.Proxy
	admin    *admin.Server
	console  *admin.Console
	endings  chan admin.ShutdownMode // asked for on the console
	started  time.Time
	takeover passage.Listener  // nil inside: there is none
	heirs    chan passage.Conn // who takes our place
	raising  raising           // of an heir, by us

	predecessor *predecessor // whose place we take; nil: there was none

	reloading sync.Mutex // held by a reload; guards what follows, but for reading inForce
	inForce   atomic.Pointer[state]
	lastRead  atomic.Pointer[parts] // whatever became of it
	deriving  deriving
	watching  chan struct{} // closed when watch has returned
	stopWatch context.CancelFunc

	toldStopping bool // systemd; untilSignal's
}

// state is what a reload replaces.
type state struct {
	*parts
	listening []string
	since     time.Time
}

// serve runs until a signal ends it. The exit status is 0 after a signal, 1
// when it could not start.
func serve(path string, stderr io.Writer) int {
	signal.Ignore(syscall.SIGPIPE) // the log's reader may go away; the service does not
	process := &metrics.Process{}
	out := journal.Open(stderr, &process.LogLinesLost)
	defer out.Close(lastLines)
	p, ok := load(path, out)
	if !ok {
		return 1
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	defer signal.Stop(signals)
	reloads := make(chan os.Signal, 1) // of its own: however many come, they are in the way of no TERM
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(reloads)
	orders := make(chan os.Signal, 1)
	signal.Notify(orders, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(orders)
	in := newInstance(path, process)
	in.logLevel.Set(levelOf(p.cfg.Log))
	in.log = slog.New(out.Handler(form(p.cfg.Log.Format, in.logLevel)))
	slog.SetDefault(in.log) // for what a library may have to say
	err := in.start(p)
	if err != nil {
		fmt.Fprintln(out, "portero:", err)
		return 1
	}
	go in.takeOrders(orders)
	return in.untilSignal(signals, reloads)
}

func newInstance(path string, process *metrics.Process) *instance {
	return &instance{path: path, hangs: hangs, logLevel: &slog.LevelVar{}, process: process, started: time.Now(), heirs: make(chan passage.Conn, 1), endings: make(chan admin.ShutdownMode, 1)}
}

// lastLines is how long the process stays, at its end, for a log that is not
// being read.
const lastLines = 2 * time.Second

func levelOf(c config.Log) (level slog.Level) {
	level.UnmarshalText([]byte(c.Level)) //nolint:errcheck // checked by config
	return level
}

// form is how the lines of the log look.
func form(format string, level slog.Leveler) func(io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	}
	return func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
}

// start opens everything, from the bottom up. On an error the process ends, so
// what is open is left to the kernel.
func (in *instance) start(p *parts) (err error) {
	in.inForce.Store(&state{parts: p, since: time.Now()}) // operators may come as soon as it listens
	in.tellRemarks(p)
	for _, warning := range append(p.unknown, p.descriptors.warnings(p.cfg)...) {
		in.log.Warn(warning)
	}
	if err := in.startLoops(p.cfg); err != nil {
		return err
	}
	from, err := inherit(p.cfg.Admin.Takeover)
	if err != nil {
		return err
	}
	defer func() { from.tellFailure(err) }()
	if from == nil {
		from = &inheritance{listeners: in.listenersOf(p.cfg)}
	}
	clusters := make(map[string]*discovery.Cluster)
	for _, c := range p.cfg.Clusters {
		d, err := discovery.Open(c, in.log)
		if err != nil {
			return fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		clusters[c.Name] = d
	}
	if in.pools, err = pool.New(p.cfg, p.descriptors.servers, clusters, in.loops, in.log); err != nil {
		return err
	}
	in.pools.KnowUsers(p.auth.Stored)
	in.process.ServersLimit.Store(int64(p.descriptors.servers))
	in.proxy = proxy.New(p.cfg, p.descriptors.room(p.cfg), in.pools, p.auth, in.loops, in.process, in.log)
	in.console = in.newConsole()
	in.console.Start()
	in.proxy.Console = in.console.Serve
	for _, l := range in.loops {
		go l.Run()
	}
	in.deriving.start(p.auth)
	if err := in.startAdmin(from.admin); err != nil {
		return err
	}
	if from.isLeft() {
		in.predecessor = newPredecessor(from.from)
		in.pools.Begin(from.orders)
		in.pools.Remember(from.past)
		in.proxy.Begin(from.last)
		in.proxy.Forward = in.predecessor.cancel
	}
	if err := in.listen(p, from.listeners); err != nil {
		return err
	}
	if err := in.succeed(); err != nil {
		return err
	}
	from.closeUnused(p.cfg)
	in.startWatching()
	in.tellManager(managerReady(from.isLeft()))
	in.log.Info("ready", "listening", in.inForce.Load().listening, "admin", in.adminAddress(), "loops", len(in.loops), "version", version())
	return nil
}

// listen has clients come. Operators, who may be the first, have to wait with a reload.
func (in *instance) listen(p *parts, open map[string]net.Listener) (err error) {
	in.reloading.Lock()
	defer in.reloading.Unlock()
	now := &state{parts: p, since: time.Now()}
	if now.listening, err = in.proxy.Listen(open); err != nil {
		return err
	}
	in.inForce.Store(now)
	in.lastRead.Store(p)
	in.process.Loaded(now.since)
	return nil
}

// succeed takes the clients of the predecessor, if there is one, and waits for a successor.
// The socket for that is opened when nothing can fail any more: there may be another process
// at its path, which has to go on if this one cannot start.
func (in *instance) succeed() error {
	if in.predecessor == nil {
		err := in.startTakeover()
		go in.awaitHeirs()
		return err
	}
	if err := in.predecessor.tellReady(); err != nil {
		return err
	}
	if err := in.startTakeover(); err != nil {
		in.log.Error("no process will be able to take over", "error", err)
	}
	go in.takeClients(in.predecessor)
	return nil
}

// tuneRuntime sets what the environment (GOMAXPROCS, GOGC) leaves open. The
// scheduler gets two more processors than there are loops, so that a handshake
// or a discovery event never waits for a loop that is busy or asleep in the
// kernel.
func tuneRuntime(loops int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(loops + 2)
	}
	if gcIsOurs() {
		debug.SetGCPercent(gcPercent) // until somebody logs in: see collector
	}
}

func (in *instance) startLoops(cfg *config.Config) error {
	n := loopsOf(cfg)
	tuneRuntime(n)
	for i := range n {
		l, err := loop.New(i)
		if err != nil {
			return err
		}
		in.loops = append(in.loops, l)
	}
	if i := slices.IndexFunc(in.loops, func(l *loop.Loop) bool { return l.NoRing != nil }); i >= 0 {
		why := in.loops[i].NoRing
		in.log.Info("each message to a socket is a system call of its own, which costs more where there are many", "reason", why)
	}
	in.pulse = loop.NewPulse(in.loops, in.hangs)
	return nil
}

// deriving prepares logins of the user file's plain passwords beside all else.
type deriving struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned
}

func (d *deriving) start(a *auth.Authenticator) {
	var ctx context.Context
	ctx, d.cancel = context.WithCancel(context.Background())
	d.done = make(chan struct{})
	go d.run(ctx, a, d.done)
}

func (d *deriving) run(ctx context.Context, a *auth.Authenticator, done chan<- struct{}) {
	defer close(done)
	a.Derive(ctx)
}

func (d *deriving) stop() {
	d.cancel()
	<-d.done
}

func (in *instance) startAdmin(open net.Listener) error {
	address := in.config().Admin.Address
	if address == "" {
		return nil
	}
	collector := metrics.NewCollector(in.process, in.pools.States, in.pools.Candidates, in.pools.Groups, in.proxy.Clients, in.proxy.Routes)
	registry := metrics.NewRegistry(version(), collector)
	registry.MustRegister(in.console.Exporter(func() bool { return in.config().Admin.PgBouncerMetrics }))
	in.admin = admin.New(address, admin.Options{
		Gatherer:  registry,
		Live:      func() error { return in.pulse.Beat() },
		Ready:     in.checks,
		Snapshot:  in.snapshot,
		Clients:   in.console.ClientStates,
		Servers:   in.pools.ServerStates,
		Failovers: in.pools.Failovers,
		Log:       in.log,

		AcceptTimeline: in.acceptTimeline,
		Diff:           in.diff,
		Explain:        in.explain,
		Listener:       open,
	})
	return in.admin.Start()
}

func (in *instance) config() *config.Config { return in.inForce.Load().cfg }

// acceptTimeline is asked for by an operator; discovery logs it.
func (in *instance) acceptTimeline(cluster string, group int, timeline int64) error {
	d := in.pools.Discovery(cluster)
	if d == nil || d.View().Groups[group] == nil {
		return admin.ErrUnknown
	}
	return d.AcceptTimeline(group, timeline)
}

func (in *instance) adminAddress() string {
	if in.admin == nil {
		return ""
	}
	return in.admin.Addr()
}

// snapshot is what the status page shows.
func (in *instance) snapshot() admin.Snapshot {
	now := in.inForce.Load()
	return admin.Snapshot{
		Version: version(), Started: in.started, Now: time.Now(), Listeners: now.listening, NotReady: in.notReady(),
		Clients: in.proxy.Clients(), MaxClients: int(in.process.ClientsLimit.Load()), Process: in.process,
		Groups: in.pools.Groups(), Failovers: in.pools.Failovers(), Pools: in.pools.States(), Candidates: in.pools.Candidates(), MaxPools: now.cfg.Pool.MaxPools,
	}
}
