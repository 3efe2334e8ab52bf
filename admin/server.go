package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portero/metrics"
	"portero/proxy"
)

// The page is small and its readers are near, so that these can be short enough
// for no slow or silent reader to hold much.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute // above the usual scrape interval
	maxHeaderBytes    = 16 << 10
)

// Options say what the server shows. The functions are called once per request,
// possibly from several goroutines at once.
type Options struct {
	// Gatherer has the metrics. nil: /metrics is not found.
	Gatherer prometheus.Gatherer

	// Live is an error if the process is of no use any more, and only a new one will be. It
	// must not block. nil: it always is.
	Live func() error

	// Ready looks whether clients are to be sent here, by what each part has to say: by
	// itself of all that count, with names of these routes. ErrNoRoute: there is none of one
	// of the names. nil: always ready.
	Ready func(routes []string) ([]Check, error)

	// Snapshot is what the status page shows, about once a second while somebody reads it.
	// nil: / and what belongs to it are not found.
	Snapshot func() Snapshot

	// Clients and Servers are those there are, for the status page. They ask all loops. nil:
	// /clients, or /servers, is not found.
	Clients func(ctx context.Context) []metrics.ClientState
	Servers func(ctx context.Context) []metrics.ServerState

	// Failovers are the last ones, the newest first. nil: /failovers is not found.
	Failovers func() []metrics.FailoverState

	// Diff says in lines what a reload would change; an error, why it would fail.
	Diff func() (string, error)

	// Explain says what a client would get that came now; an error, what is wrong with the
	// question. nil: /explain is not found.
	Explain func(q proxy.Newcomer) (proxy.Explanation, error)

	// AcceptTimeline has a group of a cluster served on the older timeline that its
	// leader is on. An error says why not, ErrUnknown that there is no such group.
	// nil: /accept-timeline is not found.
	AcceptTimeline func(cluster string, group int, timeline int64) error

	// Listener is the one to serve on, as another process has opened it. nil: Start opens one.
	Listener net.Listener

	// Log is told of faults. nil: nobody is.
	Log *slog.Logger
}

// Server is the HTTP side of Portero. Its methods may be called from any
// goroutine, Start once and before the others.
type Server struct {
	addr     string
	open     net.Listener // before Start; nil: it opens one
	log      *slog.Logger
	http     *http.Server
	feed     *feed
	listener net.Listener
	done     chan struct{} // closed when serve has returned
}

// New returns a server for addr, as "127.0.0.1:9632". It does not listen yet.
func New(addr string, o Options) *Server {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	open := &connections{open: make(map[net.Conn]connection)}
	f := newFeed(&o, log)
	return &Server{
		addr: addr,
		open: o.Listener,
		log:  log,
		feed: f,
		done: make(chan struct{}),
		http: &http.Server{
			Handler:           routes(o, f, log),
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ConnState:         open.changed,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
}

// Start listens and serves in a goroutine until Close. When it returns nil,
// requests are taken.
func (s *Server) Start() error {
	if s.open == nil {
		var err error
		if s.open, err = net.Listen("tcp", s.addr); err != nil {
			return fmt.Errorf("listen for admin on %s: %w", s.addr, err)
		}
	}
	s.listener = s.open
	go s.feed.run()
	go s.serve()
	return nil
}

// Listener is what is served on, after Start.
func (s *Server) Listener() net.Listener { return s.listener }

// Addr returns the address in use, with the port the system chose if port 0 was
// asked for; before a successful Start, the address New was given.
func (s *Server) Addr() string {
	if s.listener == nil {
		return s.addr
	}
	return s.listener.Addr().String()
}

// Close stops listening, ends the streams of events, and waits for the other requests being
// answered until ctx ends; what is not done by then is cut, and ctx's error returned. Nothing of
// the server runs after it. A server that was not started closes at once.
func (s *Server) Close(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	s.feed.close() // else a stream would be waited for
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	<-s.done
	<-s.feed.done
	return err
}

func (s *Server) serve() {
	defer close(s.done)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("admin stopped serving", "address", s.Addr(), "error", err)
	}
}
