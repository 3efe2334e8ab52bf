package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"portero/admin"
	"portero/passage"
)

// untilSignal waits for TERM, which lets transactions finish, after shutdown_delay, or INT,
// which ends at once, also in the middle of a TERM.
func (in *instance) untilSignal(signals, reloads <-chan os.Signal) int {
	s, heir := in.awaitEnd(signals, reloads)
	ctx, cancel := context.WithTimeoutCause(context.Background(), in.config().Pool.ShutdownTimeout, errors.New("shutdown_timeout"))
	defer cancel()
	if s == syscall.SIGINT || s == syscall.SIGQUIT {
		cancel()
	}
	done := make(chan struct{})
	if heir.UnixConn != nil {
		in.log.Info("handing over")
		go in.handOver(ctx, heir, done)
	} else {
		in.log.Info("shutting down", "signal", s.String())
		in.tellStopping()
		go in.close(ctx, done)
	}
	for {
		select {
		case <-done:
			in.log.Info("stopped")
			return 0
		case s := <-signals:
			if s != syscall.SIGTERM { // which may well be sent twice
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

// awaitEnd serves all clients until they have to leave: because of the signal that it returns,
// or for the process that takes our place. SHUTDOWN on the console is as a signal. HUP has
// the settings read again. TERM counts when shutdown_delay is over; whatever leaves clients
// less time ends the delay, and what would leave them more changes nothing.
func (in *instance) awaitEnd(signals, reloads <-chan os.Signal) (s os.Signal, heir passage.Conn) {
	var over <-chan time.Time // the end of shutdown_delay; nil: it has not begun
	for {
		select {
		case s := <-signals:
			heir := in.heirNow() // who listens already has to be told
			if over == nil && heir.UnixConn == nil {
				over = in.delay(s)
			}
			if s != syscall.SIGTERM || over == nil || heir.UnixConn != nil {
				return s, heir
			}
		case <-over:
			return syscall.SIGTERM, in.heirNow()
		case mode := <-in.endings:
			if over != nil && mode == admin.ShutdownWaitForClients {
				in.log.Info("SHUTDOWN WAIT_FOR_CLIENTS changes nothing: TERM was first")
				continue
			}
			return in.obey(mode, signals), heir
		case heir := <-in.heirs:
			return nil, heir
		case s := <-reloads:
			in.reloadTelling(s, over != nil)
		}
	}
}

// delay begins the shutdown_delay that a signal has, and returns its end; nil: it has none.
// Probes and scrapes see from then on what is to come.
func (in *instance) delay(s os.Signal) (over <-chan time.Time) {
	d := in.config().Pool.ShutdownDelay
	if s != syscall.SIGTERM || d == 0 {
		return nil
	}
	in.log.Info("about to shut down", "signal", s.String(), "shutdown_delay", d, "clients", in.proxy.Clients())
	in.tellStopping()
	return time.After(d)
}

// tellStopping has everybody know, once, that the process will have ended before long.
func (in *instance) tellStopping() {
	in.process.ShuttingDown.Store(true)
	if !in.toldStopping {
		in.tellManager("STOPPING=1")
		in.toldStopping = true
	}
}

// reloadTelling reloads because of a signal, and tells systemd of it, for which a service that
// is stopping is not ready any more.
func (in *instance) reloadTelling(s os.Signal, stopping bool) {
	if stopping {
		in.reload(s.String()) //nolint:errcheck // it has been logged
		return
	}
	in.tellManager(managerReloading())
	in.reload(s.String()) //nolint:errcheck // likewise
	in.tellManager("READY=1")
}

// heirNow is a process that has just taken our place; nil inside: there is none.
func (in *instance) heirNow() (heir passage.Conn) {
	select {
	case heir = <-in.heirs:
	default:
	}
	return heir
}

// close ends everything, from the top down.
func (in *instance) close(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	in.end(func() { in.proxy.Shutdown(ctx) })
	in.closeAdmin()
}

// end ends all but the HTTP side, the clients by leave.
func (in *instance) end(leave func()) {
	in.stopWatch()
	<-in.watching
	if in.takeover.UnixListener != nil {
		in.takeover.Close() //nolint:errcheck // nobody takes over any more
	}
	if in.predecessor != nil {
		in.predecessor.Close() //nolint:errcheck // whoever is still there is told by that one
	}
	leave()
	in.deriving.stop()
	in.console.Close()
	in.pools.Close()
	for _, l := range in.loops {
		l.Stop()
	}
}

func (in *instance) closeAdmin() {
	if in.admin != nil {
		soon, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		in.admin.Close(soon) //nolint:errcheck // a scrape that does not end is cut
	}
}
