package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"portero/admin"
	"portero/auth"
	"portero/config"
	"portero/discovery"
	"portero/journal"
	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/proxy"
)

// parts is what a configuration becomes before anything is opened.
type parts struct {
	cfg         *config.Config
	auth        *auth.Authenticator
	descriptors descriptors
}

// prepare reads a file, none with "", and those that it names. An error is all
// faults of all of them.
func prepare(path string) (*parts, error) {
	p := &parts{}
	check := func(cfg *config.Config, r *config.Report) {
		p.auth = auth.Load(cfg, r)
		p.descriptors = shareOut(cfg, r)
	}
	if path == "" {
		p.cfg = config.NoFile()
		r := config.NewReport()
		check(p.cfg, r)
		return p, r.Err()
	}
	var err error
	p.cfg, err = config.Load(path, check)
	return p, err
}

// instance is a running Portero.
type instance struct {
	cfg       *config.Config
	log       *slog.Logger
	process   *metrics.Process
	loops     []*loop.Loop
	clusters  map[string]*discovery.Cluster
	pools     *pool.Pools
	proxy     *proxy.Proxy
	admin     *admin.Server
	console   *admin.Console
	endings   chan admin.ShutdownMode // asked for on the console
	listening []string
	started   time.Time

	stopDeriving context.CancelFunc
	deriving     chan struct{} // closed when derive has returned
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
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	reloads := make(chan os.Signal, 1) // of its own: however many come, they are in the way of no TERM
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(reloads)
	log := slog.New(out.Handler(form(p.cfg.Log)))
	slog.SetDefault(log) // for what a library may have to say
	in, err := start(p, process, log)
	if err != nil {
		fmt.Fprintln(out, "portero:", err)
		return 1
	}
	return in.untilSignal(signals, reloads)
}

// lastLines is how long the process stays, at its end, for a log that is not
// being read.
const lastLines = 2 * time.Second

// form is how the lines of the log look.
func form(c config.Log) func(io.Writer) slog.Handler {
	var level slog.Level
	level.UnmarshalText([]byte(c.Level)) //nolint:errcheck // checked by config
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	}
	return func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
}

// start opens everything, from the bottom up. On an error the process ends, so
// what is open is left to the kernel.
func start(p *parts, process *metrics.Process, log *slog.Logger) (*instance, error) {
	in := &instance{cfg: p.cfg, log: log, process: process, clusters: make(map[string]*discovery.Cluster), started: time.Now(), endings: make(chan admin.ShutdownMode, 1)}
	for _, warning := range p.descriptors.warnings(p.cfg) {
		log.Warn(warning)
	}
	if err := in.startLoops(); err != nil {
		return nil, err
	}
	for _, c := range p.cfg.Clusters {
		d, err := discovery.Open(c, log)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		in.clusters[c.Name] = d
	}
	var err error
	if in.pools, err = pool.New(p.cfg, p.descriptors.servers, in.clusters, in.loops, log); err != nil {
		return nil, err
	}
	process.ServersLimit.Store(int64(p.descriptors.servers))
	in.proxy = proxy.New(p.cfg, p.descriptors.room(p.cfg), in.pools, p.auth, in.loops, in.process, log)
	in.console = in.newConsole()
	in.console.Start()
	in.proxy.Console = in.console.Serve
	for _, l := range in.loops {
		go l.Run()
	}
	in.startDeriving(p.auth)
	if in.listening, err = in.proxy.Listen(); err != nil {
		return nil, err
	}
	if err := in.startAdmin(); err != nil {
		return nil, err
	}
	log.Info("ready", "listening", in.listening, "admin", in.adminAddress(), "version", version())
	return in, nil
}

// gcPercent is lower than Go's 100: the relay makes no garbage, so that room
// for it would only lie idle; logins do, and pay a little more for it.
const gcPercent = 25

// tuneRuntime sets what the environment (GOMAXPROCS, GOGC) leaves open. The
// scheduler gets two more processors than there are loops, so that a handshake
// or a discovery event never waits for a loop that is busy or asleep in the
// kernel.
func tuneRuntime(loops int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(loops + 2)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

func (in *instance) startLoops() error {
	n := loopsOf(in.cfg)
	tuneRuntime(n)
	for i := range n {
		l, err := loop.New(i)
		if err != nil {
			return err
		}
		in.loops = append(in.loops, l)
	}
	return nil
}

// startDeriving prepares logins of the user file's plain passwords beside all else.
func (in *instance) startDeriving(a *auth.Authenticator) {
	var ctx context.Context
	ctx, in.stopDeriving = context.WithCancel(context.Background())
	in.deriving = make(chan struct{})
	go in.derive(ctx, a)
}

func (in *instance) derive(ctx context.Context, a *auth.Authenticator) {
	defer close(in.deriving)
	a.Derive(ctx)
}

func (in *instance) startAdmin() error {
	if in.cfg.Admin.Address == "" {
		return nil
	}
	collector := metrics.NewCollector(in.process, in.pools.States, in.pools.Candidates, in.pools.Groups, in.proxy.Clients)
	in.admin = admin.New(in.cfg.Admin.Address, admin.Options{
		Gatherer:  metrics.NewRegistry(version(), collector),
		Ready:     in.notReady,
		Status:    in.writeStatus,
		Failovers: in.pools.Failovers,
		Log:       in.log,

		AcceptTimeline: in.acceptTimeline,
	})
	return in.admin.Start()
}

func (in *instance) notReady() []string { return in.pools.Ready(in.cfg.Routes) }

// acceptTimeline is asked for by an operator; discovery logs it.
func (in *instance) acceptTimeline(cluster string, group int, timeline int64) error {
	d := in.clusters[cluster]
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

func (in *instance) writeStatus(w io.Writer) {
	err := admin.WriteStatus(w, admin.Snapshot{
		Version: version(), Started: in.started, Now: time.Now(), Listeners: in.listening, NotReady: in.notReady(),
		Clients: in.proxy.Clients(), MaxClients: int(in.process.ClientsLimit.Load()), Process: in.process,
		Groups: in.pools.Groups(), Failovers: in.pools.Failovers(), Pools: in.pools.States(), Candidates: in.pools.Candidates(), MaxPools: in.cfg.Pool.MaxPools,
	})
	if err != nil {
		in.log.Debug("status page", "error", err)
	}
}

// untilSignal waits for TERM, which lets transactions finish, or INT, which
// ends at once, also in the middle of a TERM.
func (in *instance) untilSignal(signals, reloads <-chan os.Signal) int {
	why := in.awaitEnd(signals, reloads)
	in.log.Info("shutting down", "signal", why.String())
	ctx, cancel := context.WithTimeoutCause(context.Background(), in.cfg.Pool.ShutdownTimeout, errors.New("shutdown_timeout"))
	defer cancel()
	if why == syscall.SIGINT {
		cancel()
	}
	done := make(chan struct{})
	go in.close(ctx, done)
	for {
		select {
		case <-done:
			in.log.Info("stopped")
			return 0
		case s := <-signals:
			if s == syscall.SIGINT { // a TERM may well be sent twice
				in.log.Info("shutting down at once", "signal", s.String())
				cancel()
			}
		case mode := <-in.endings:
			if mode == admin.ShutdownAtOnce {
				in.log.Info("shutting down at once", "command", "SHUTDOWN")
				cancel()
			}
		}
	}
}

// awaitEnd returns the signal that ends the process; SHUTDOWN on the console is as one of
// them. HUP asks for the settings to be read again, which has to wait for a restart.
func (in *instance) awaitEnd(signals, reloads <-chan os.Signal) os.Signal {
	for {
		select {
		case s := <-signals:
			return s
		case mode := <-in.endings:
			return in.obey(mode, signals)
		case s := <-reloads:
			in.log.Warn("settings are read at the start only: restart to apply them", "signal", s.String())
		}
	}
}

// close ends everything, from the top down.
func (in *instance) close(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	in.proxy.Shutdown(ctx)
	in.stopDeriving()
	<-in.deriving
	in.console.Close()
	in.pools.Close()
	for _, d := range in.clusters {
		d.Close()
	}
	for _, l := range in.loops {
		l.Stop()
	}
	if in.admin != nil {
		soon, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		in.admin.Close(soon) //nolint:errcheck // a scrape that does not end is cut
	}
}
