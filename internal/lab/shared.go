package lab

import (
	"context"
	"io"
	"sync"
)

// Shared is a server that the tests of a package have in common: the first that asks starts
// it, and TestMain closes it.
type Shared[S io.Closer] struct {
	start func(context.Context) (S, error)

	mu      sync.Mutex // guards what follows; held while it starts
	started bool
	server  S
	err     error
}

// Share makes a server to be started by start.
func Share[S io.Closer](start func(context.Context) (S, error)) *Shared[S] {
	return &Shared[S]{start: start}
}

// ForTest returns the server, or fails the test if it cannot be started.
func (s *Shared[S]) ForTest(t TB) S {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		s.started = true
		s.server, s.err = s.start(context.Background())
	}
	if s.err != nil {
		t.Fatalf("%v", s.err)
	}
	return s.server
}

// Close ends the server if it was started. No test runs any more.
func (s *Shared[S]) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started || s.err != nil {
		return nil
	}
	return s.server.Close()
}
