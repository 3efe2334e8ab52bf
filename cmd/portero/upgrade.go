package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"portero/passage"
)

// Exit statuses of portero upgrade. Who restarts the service where it cannot be upgraded, as
// the package does, has to know which it is.
const (
	notUpgraded  = 1 // the one that runs goes on as before
	nobodyToAsk  = 2 // or wrong usage, as of every command
	upgradeLimit = 3 * time.Minute
	askAgain     = 100 * time.Millisecond
	askingLimit  = 5 * time.Second
	absenceLimit = time.Second // between the end of one that listens and the beginning of its successor
	silenceLimit = 3 * time.Second
)

// errNotAsked is an error of portero upgrade for nobodyToAsk.
var errNotAsked = errors.New("portero upgrade: nobody is there to ask")

// upgradeRunning has the Portero that runs start its program anew, and prints who serves then.
func upgradeRunning(args []string, stdout, stderr io.Writer) int {
	flags := newFlags("upgrade", "", stderr)
	path := flags.String("config", "", "configuration `file` (proxy.toml), for [admin] takeover of the one that runs")
	socket := flags.String("takeover", "", "`path` of that socket; default: as the file has it")
	if status, ends := parsed(flags, args, path); ends {
		return status
	}
	if *socket == "" {
		p, ok := load(*path, stderr)
		if !ok {
			return notUpgraded
		}
		*socket = p.cfg.Admin.Takeover
	}
	err := askUpgrade(*socket, stdout, stderr)
	switch {
	case errors.Is(err, errNotAsked):
		fmt.Fprintln(stderr, err)
		return nobodyToAsk
	case err != nil:
		fmt.Fprintf(stderr, "portero upgrade: %v\nthe Portero that runs goes on as before\n", err)
		return notUpgraded
	}
	return 0
}

// askUpgrade blocks until another process serves in place of the one that listens at a socket,
// or will not.
func askUpgrade(socket string, stdout, stderr io.Writer) error {
	if socket == "" {
		return fmt.Errorf("%w: [admin] takeover is not set", errNotAsked)
	}
	c, old, err := askSocket(socket, stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintf(stdout, "portero %s (pid %d) starts its successor\n", old.Version, old.PID)
	var next message
	if _, err := c.Receive(&next); err != nil {
		return fmt.Errorf("it does not say what has become of it: %w", err)
	}
	if next.Kind != serves {
		return errors.New(next.Reason)
	}
	fmt.Fprintf(stdout, "portero %s (pid %d) serves in its place; clients in a transaction follow at its end\n", next.Version, next.PID)
	return nil
}

// askSocket asks the process that listens at a socket, and returns once it has begun. One
// that is being replaced hangs up, or listens no more; then its successor is asked.
func askSocket(socket string, stderr io.Writer) (c passage.Conn, old message, err error) {
	for began := time.Now(); ; time.Sleep(askAgain) {
		c, err = passage.Dial(socket)
		if errors.Is(err, syscall.ECONNREFUSED) && time.Since(began) < absenceLimit {
			continue
		}
		if err != nil {
			return c, old, fmt.Errorf("%w: %w", errNotAsked, err)
		}
		c.SetDeadline(time.Now().Add(upgradeLimit)) //nolint:errcheck // a closed connection fails at its first use
		old, err = begins(c, stderr)
		if err == nil && old.Kind == starting {
			return c, old, nil
		}
		c.Close()
		switch {
		case err == nil:
			return c, old, errors.New(old.Reason)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return c, old, fmt.Errorf("the process at %s does not answer", socket)
		case !hungUp(err) || time.Since(began) > askingLimit:
			return c, old, fmt.Errorf("%w: the process at %s cannot start its successor, as versions before this one cannot (%w)", errNotAsked, socket, err)
		}
	}
}

// begins asks, and waits for the first answer.
func begins(c passage.Conn, stderr io.Writer) (old message, err error) {
	silence := time.AfterFunc(silenceLimit, func() {
		fmt.Fprintln(stderr, "portero upgrade: waits, as clients of the process before are still being taken over")
	})
	defer silence.Stop()
	if err = c.Send(message{Kind: upgrade, Version: version()}, -1); err == nil {
		_, err = c.Receive(&old)
	}
	return old, err
}

// hungUp reports whether the other end has closed a connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
