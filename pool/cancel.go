package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"portero/metrics"
)

// Cancel is a cancel request under way. Until Send has returned, its server is
// not lent to anybody else.
type Cancel struct {
	server *Server
}

// BeginCancel ties a cancel request to the server that the claim holds now.
// False: it holds none. On c's loop.
func (c *Claim) BeginCancel() (Cancel, bool) {
	s := c.Server
	if s == nil || len(s.secret) == 0 {
		return Cancel{}, false
	}
	s.Sock.SendCollected() // a cancel request must not overtake what it is to cancel
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.cancels++
	return Cancel{server: s}, true
}

// AwaitCancel notes that a client's cancel request waits for its turn; over ends that. Any
// goroutine.
func (p *Pool) AwaitCancel() (over func()) {
	p.cancelsWait.Add(1)
	return func() { p.cancelsWait.Add(-1) }
}

// Abort is Discard for a server that is at work for a client that has gone: a
// backend that computes or waits does not notice that its socket is closed. Its
// statement is cancelled first, and until that is done the server has its place
// in the pool. On c's loop.
func (p *Pool) Abort(c *Claim, why metrics.Reason) {
	s := c.drop()
	s.Sock.SendCollected() // likewise
	p.mu.Lock()
	if len(s.secret) == 0 || p.ctx.Err() != nil || p.closed {
		p.mu.Unlock()
		p.destroy(s, why)
		return
	}
	if s.condemned == metrics.None {
		s.condemned = why
	}
	s.cancels++
	s.state = stateCancelled
	p.owner.openers.Add(1)
	p.mu.Unlock()
	s.Sock.Mute()
	go p.abort(Cancel{server: s})
}

// Interrupt cancels what c's server is at, which it is to go on serving. On c's loop.
func (p *Pool) Interrupt(c *Claim) {
	c.Server.Sock.SendCollected() // likewise
	p.mu.Lock()
	s := c.Server
	goes := len(s.secret) > 0 && p.ctx.Err() == nil && !p.closed
	if goes {
		s.cancels++
		p.owner.openers.Add(1)
	}
	p.mu.Unlock()
	if goes {
		go p.abort(Cancel{server: s})
	}
}

// lastCancel is how long the end of the process waits for cancel requests.
const lastCancel = 2 * time.Second

// abort is the goroutine of Abort and Interrupt, and ends within cancel_wait_timeout, or within lastCancel
// from the end of the pool: at a shutdown, statements are left by whole processes full of
// clients.
func (p *Pool) abort(x Cancel) {
	defer p.owner.openers.Done()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	defer context.AfterFunc(p.ctx, func() { time.AfterFunc(lastCancel, stop) })()
	if err := x.Send(ctx); err != nil {
		p.log.Debug("cancel of what a client was at", "member", x.server.member, "pid", x.server.pid, "error", err)
	}
}

// Send sends the request and waits until PostgreSQL has closed the connection,
// for then its signal is on the way to the one backend it was meant for. It
// blocks for at most cancel_wait_timeout; then the server is closed when it
// comes back, as the signal may still arrive.
func (x Cancel) Send(ctx context.Context) error {
	s, p := x.server, x.server.pool
	ctx, stop := context.WithTimeout(ctx, p.owner.limits().CancelWaitTimeout)
	defer stop()
	p.cancels.Add(1)
	err := p.sendCancel(ctx, s)
	p.cancels.Add(-1)
	p.mu.Lock()
	s.cancels--
	if err != nil && s.condemned == metrics.None {
		s.condemned = metrics.ServerDirty
	}
	free := s.cancels == 0 && s.state == stateCancelled
	if free {
		s.state = stateLent
	}
	p.mu.Unlock()
	if free {
		p.passOn(s, nil)
	}
	return err
}

func (p *Pool) sendCancel(ctx context.Context, s *Server) error {
	conn, err := s.home.dial(ctx, s.address)
	if err != nil {
		return fmt.Errorf("cancel: dial %s: %w", s.address, err)
	}
	defer conn.Close()
	defer hurry(ctx, conn)()
	if _, err := conn.Write(cancelRequest(s.pid, s.secret)); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	// However PostgreSQL ends the connection, it has done its work; only
	// running out of time means that it has not.
	_, err = io.Copy(io.Discard, io.LimitReader(conn, 8192))
	if err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil) {
		return fmt.Errorf("cancel: %s has not closed the connection: %w", s.address, err)
	}
	return nil
}

// cancelRequest is PostgreSQL's CancelRequest packet.
func cancelRequest(pid uint32, secret []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(12+len(secret)))
	b = binary.BigEndian.AppendUint32(b, 80877102)
	b = binary.BigEndian.AppendUint32(b, pid)
	return append(b, secret...)
}
