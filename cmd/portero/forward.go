package main

import (
	"context"
	"sync"

	"portero/passage"
)

// While clients are passed on, one by one, cancel requests for those who are still with the
// old process come to the new one, which has the listeners: it forwards them.

// predecessor is the process whose place this one takes.
type predecessor struct {
	passage.Conn
	ready chan struct{} // closed when it knows that we listen
	gone  chan struct{} // closed when it has no clients any more

	mu      sync.Mutex // held to send; guards what follows
	last    uint32
	waiting map[uint32]chan struct{} // closed when a request has been served
}

func newPredecessor(c passage.Conn) *predecessor {
	return &predecessor{Conn: c, ready: make(chan struct{}), gone: make(chan struct{}), waiting: make(map[uint32]chan struct{})}
}

// tellReady says that we listen; what it is sent from then on are requests.
func (p *predecessor) tellReady() error {
	defer close(p.ready)
	return p.Send(message{Kind: ready}, -1)
}

// cancel has the predecessor serve a cancel request, and blocks until it has.
func (p *predecessor) cancel(ctx context.Context, key []byte) {
	select {
	case <-p.ready:
	case <-ctx.Done():
		return
	}
	select {
	case <-p.gone: // nobody can have the key
		return
	default:
	}
	served := p.request(key)
	select {
	case <-served:
	case <-p.gone:
	case <-ctx.Done():
	}
}

// request sends a cancel request. An error shows in that the predecessor has gone.
func (p *predecessor) request(key []byte) (served <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	done := make(chan struct{})
	p.waiting[p.last] = done
	p.Send(message{Kind: cancel, Number: p.last, Key: key}, -1) //nolint:errcheck // see there
	return done
}

// served ends the wait for a request.
func (p *predecessor) served(number uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if done := p.waiting[number]; done != nil {
		close(done)
		delete(p.waiting, number)
	}
}

// successor is the process that takes our place.
type successor struct {
	passage.Conn
	mu sync.Mutex // held to send
}

func (s *successor) send(m message, fd int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Send(m, fd)
}

// serveRequests is a goroutine: it serves the cancel requests that the successor forwards, until
// the passage is closed.
func (in *instance) serveRequests(s *successor, done chan<- struct{}) {
	defer close(done)
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		var m message
		fd, err := s.Receive(&m)
		closeFD(fd)
		switch {
		case err != nil:
			return
		case m.Kind == cancel:
			serving.Go(func() { in.serveRequest(s, m) })
		}
	}
}

func (in *instance) serveRequest(s *successor, m message) {
	in.proxy.Cancel(m.Key, "forwarded")
	s.send(message{Kind: cancelled, Number: m.Number}, -1) //nolint:errcheck // it has gone, and those who wait with it
}
