package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"portero/top"
)

// askPassword asks for a password where the console wants one and none was given, as psql does.
// That nobody answers is for the page to say.
func askPassword(console *top.Console) error {
	if err := console.Connect(context.Background()); err == nil {
		return nil
	}
	user := console.LacksPassword()
	if user == "" {
		return nil
	}
	fmt.Fprintf(os.Stderr, "Password for user %s: ", user)
	password, err := readPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return err
	}
	console.SetPassword(user, string(password))
	return console.Connect(context.Background()) //nolint:wrapcheck // it says all
}

// readPassword reads a line from a terminal that does not show it. A signal ends the process
// meanwhile, with the terminal as it was.
func readPassword(fd int) ([]byte, error) {
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	before, err := term.GetState(fd)
	if err != nil {
		signal.Stop(signals)
		return nil, err //nolint:wrapcheck // it says all
	}
	go giveBackAtSignal(signals, ended, fd, before)
	defer func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	}()
	return term.ReadPassword(fd) //nolint:wrapcheck // it says all
}

// giveBackAtSignal ends the process at the first signal, as a read from a terminal cannot be
// ended. It returns when signals is closed.
func giveBackAtSignal(signals <-chan os.Signal, ended chan<- struct{}, fd int, before *term.State) {
	defer close(ended)
	s, came := <-signals
	if !came {
		return
	}
	term.Restore(fd, before) //nolint:errcheck // there is nothing else to be done
	fmt.Fprintln(os.Stderr)
	status := 1
	if number, ok := s.(syscall.Signal); ok {
		status = 128 + int(number) // as shells tell it
	}
	os.Exit(status)
}
