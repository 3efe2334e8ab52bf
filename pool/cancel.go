package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

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
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.cancels++
	return Cancel{server: s}, true
}

// Send sends the request and waits until PostgreSQL has closed the connection,
// for then its signal is on the way to the one backend it was meant for. It
// blocks for at most cancel_wait_timeout; then the server is closed when it
// comes back, as the signal may still arrive.
func (x Cancel) Send(ctx context.Context) error {
	s, p := x.server, x.server.pool
	ctx, stop := context.WithTimeout(ctx, p.owner.limits.CancelWaitTimeout)
	defer stop()
	err := p.sendCancel(ctx, s)
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
		p.settle(s, nil)
	}
	return err
}

func (p *Pool) sendCancel(ctx context.Context, s *Server) error {
	conn, err := p.owner.clusters[p.Key.Cluster].dial(ctx, s.address)
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
