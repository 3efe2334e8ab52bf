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

// untilSignal waits for TERM, which lets transactions finish, or INT, which
// ends at once, also in the middle of a TERM.
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
		in.tellManager("STOPPING=1")
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

// awaitEnd returns the signal that ends the process, or the process that takes its place;
// SHUTDOWN on the console is as a signal. HUP has the settings read again.
func (in *instance) awaitEnd(signals, reloads <-chan os.Signal) (s os.Signal, heir passage.Conn) {
	for {
		select {
		case s := <-signals:
			return s, in.heirNow() // who listens already has to be told
		case mode := <-in.endings:
			return in.obey(mode, signals), heir
		case heir := <-in.heirs:
			return nil, heir
		case s := <-reloads:
			in.tellManager(managerReloading())
			in.reload(s.String()) //nolint:errcheck // it has been logged
			in.tellManager("READY=1")
		}
	}
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
