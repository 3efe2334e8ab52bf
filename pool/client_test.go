package pool

import (
	"testing"

	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// client is a client as the pool sees it: a Task with a Claim. Its methods are
// for the goroutine of the test.
type client struct {
	t     testing.TB
	pool  *Pool
	loop  *loop.Loop
	task  *loop.Task
	claim Claim

	// Owned by the loop.
	waiting bool
	asking  bool
	over    bool
	kept    []byte

	granted chan grant
	answers chan answer
	lost    chan metrics.Reason
}

type grant struct {
	server *Server
	err    *wire.Error
}

type answer struct {
	row string
	err error
}

func (s *stage) client(p *Pool, on int) *client {
	s.t.Helper()
	c := &client{t: s.t, pool: p, loop: s.loops[on],
		granted: make(chan grant, 1), answers: make(chan answer, 1), lost: make(chan metrics.Reason, 1)}
	c.do(func() { c.task = c.loop.Start(c) })
	c.do(func() {})
	s.t.Cleanup(func() { c.do(func() { c.over = true; c.loop.Wake(c.task) }) })
	return c
}

// do runs fn on the client's loop and waits for its end.
func (c *client) do(fn func()) {
	c.t.Helper()
	done := make(chan struct{})
	c.loop.Post(func() {
		defer close(done)
		fn()
	})
	within(c.t, "a function on the loop", done)
}

// Run tells the test what becomes of the claim.
func (c *client) Run(t *loop.Task) {
	c.claim.Bind(c.pool, t)
	for !c.over {
		t.Park()
		if c.waiting && (c.claim.Server != nil || c.claim.Err != nil) {
			c.waiting = false
			c.granted <- grant{c.claim.Server, c.claim.Err}
			c.claim.Err = nil
		}
		if c.claim.Lost != metrics.None && c.claim.Server != nil {
			select {
			case c.lost <- c.claim.Lost:
			default:
			}
		}
		if c.asking && c.claim.Events&loop.Readable != 0 {
			c.read()
		}
	}
	if c.claim.Server != nil || c.waiting {
		c.pool.Abandon(&c.claim, metrics.Shutdown)
	}
}

// read reads until nothing is there: TLS may hold back what epoll does not see.
func (c *client) read() {
	for c.asking {
		n, err := c.claim.Server.Sock.Read(c.loop.Scratch())
		if err == loop.ErrNotNow {
			c.claim.Events &^= loop.Readable
			return
		}
		row, whole := "", true
		if err == nil {
			c.kept = append(c.kept, c.loop.Scratch()[:n]...)
			row, err, whole = decodeAnswer(c.kept)
		}
		if whole {
			c.asking, c.kept = false, nil
			c.answers <- answer{row, err}
		}
	}
}

// decodeAnswer finds the first column, or the error, of an answer up to ReadyForQuery.
func decodeAnswer(b []byte) (row string, err error, whole bool) {
	for {
		f, ok, bad := wire.Next(b)
		if bad != nil {
			return "", bad, true
		}
		if !ok || !f.Whole() {
			return "", nil, false
		}
		switch f.Type {
		case 'D':
			row = string(f.Body[6:])
		case 'E':
			e := wire.ParseError(f.Body)
			err = e
			if e.Severity == "FATAL" {
				return "", err, true
			}
		case 'Z':
			return row, err, true
		}
		b = b[wire.HeaderLen+f.Size:]
	}
}

// ask starts to acquire; grants are to be had from granted.
func (c *client) ask() {
	c.t.Helper()
	c.do(func() {
		if c.pool.Acquire(&c.claim) {
			c.granted <- grant{c.claim.Server, nil}
		} else {
			c.waiting = true
		}
	})
}

func (c *client) get() *Server {
	c.t.Helper()
	c.ask()
	return c.wait()
}

func (c *client) wait() *Server {
	c.t.Helper()
	g := within(c.t, "a server", c.granted)
	if g.err != nil {
		c.t.Fatalf("no server: %v", g.err)
	}
	return g.server
}

func (c *client) release() { c.t.Helper(); c.do(func() { c.pool.Release(&c.claim) }) }

func (c *client) discard(why metrics.Reason) {
	c.t.Helper()
	c.do(func() { c.pool.Discard(&c.claim, why) })
}

// withdraw ends the wait; false when a server is on its way or there.
func (c *client) withdraw() (out bool) {
	c.t.Helper()
	c.do(func() {
		if out = c.claim.Server == nil && c.pool.Withdraw(&c.claim); out {
			c.waiting = false
		}
	})
	return out
}

// query asks the lent server and returns the first column of the last row.
func (c *client) query(sql string) (string, error) {
	c.t.Helper()
	c.send(sql)
	a := within(c.t, sql, c.answers)
	return a.row, a.err
}

func (c *client) send(sql string) {
	c.t.Helper()
	c.do(func() {
		c.asking = true
		b := wire.Append(nil, queryMessage(sql))
		if err := c.claim.Server.Sock.Write(b); err != nil {
			c.asking = false
			c.answers <- answer{err: err}
		}
		c.loop.Wake(c.task)
	})
}
