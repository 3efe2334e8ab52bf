package proxy

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"sync"

	"portero/pool"
)

// noBackend is added to a client's number to make the process ID of its cancel key,
// but in session mode: no backend has such a one, as the kernel's numbers end at 2^22 (proc(5),
// pid_max). So pg_terminate_backend with it hits nobody, in place of a stranger.
const noBackend = 1 << 30

// registry is all clients that have logged in, by their numbers.
type registry struct {
	mu        sync.Mutex // guards what follows
	byID      numbered
	random    *bufio.Reader // of crypto/rand, from which a few bytes cost as much as many
	consoles  map[uint32]*ConsoleClient
	byBackend map[uint32][]*client // those that have been told their server's process ID; several hosts may have the same
	last      uint32
	emptied   chan struct{} // closed when the last client has gone; made by waitEmpty
}

func (r *registry) init() {
	r.byBackend, r.consoles = make(map[uint32][]*client), make(map[uint32]*ConsoleClient)
	r.random = bufio.NewReaderSize(rand.Reader, 256)
}

func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID.n
}

// add gives c its cancel key.
func (r *registry) add(c *client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.id, c.secret = r.nextLocked(), r.secretLocked()
	r.byID.put(c)
}

// nextLocked is a number that nobody has.
func (r *registry) nextLocked() uint32 {
	for {
		r.last = (r.last + 1) % noBackend // with that added it is still positive as a signed number
		if r.last != 0 && r.byID.get(r.last) == nil && r.consoles[r.last] == nil {
			return r.last
		}
	}
}

// restore gives c the cancel key that it has had with another process, whose numbers
// end before ours; a new one if that is taken.
func (r *registry) restore(c *client, id, secret uint32) {
	r.mu.Lock()
	if r.byID.get(id) == nil && id != 0 {
		c.id, c.secret = id, secret
		r.byID.put(c)
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	r.add(c)
}

// begin has the numbers begin behind those of another process, which may still give
// out some.
func (r *registry) begin(last uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = (last + numbersApart) % noBackend
}

// numbersApart is more than the numbers that a process gives out to those who log in
// while another takes its place.
const numbersApart = 1 << 20

// lastNumber is the last number that was given out.
func (r *registry) lastNumber() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// tie gives c the process ID of the server that it has for good. On its loop.
func (r *registry) tie(c *client, backend uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for slices.ContainsFunc(r.byBackend[backend], func(o *client) bool { return o.secret == c.secret }) {
		c.secret = r.secretLocked()
	}
	c.needRare().backend, c.tied = backend, true
	r.byBackend[backend] = append(r.byBackend[backend], c)
}

func (r *registry) untieLocked(c *client) {
	backend := c.rare.backend
	left := slices.DeleteFunc(r.byBackend[backend], func(o *client) bool { return o == c })
	if r.byBackend[backend] = left; len(left) == 0 {
		delete(r.byBackend, backend)
	}
}

// secretLocked is the secret of a cancel key.
func (r *registry) secretLocked() uint32 {
	const size = 4
	b, _ := r.random.Peek(size) // never fails (crypto/rand)
	secret := binary.BigEndian.Uint32(b)
	clear(b)               // it is in nobody's memory but its client's
	r.random.Discard(size) //nolint:errcheck // they are there
	return secret
}

// remove takes c out. On its loop, or before it has one.
func (r *registry) remove(c *client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID.remove(c)
	if c.tied {
		r.untieLocked(c)
	}
	if r.byID.n == 0 && r.emptied != nil {
		close(r.emptied)
		r.emptied = nil
	}
}

// poolOf is the pool of a client, which a reload may change meanwhile. Any goroutine; the
// client's own reads it without.
func (r *registry) poolOf(c *client) *pool.Pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.pool
}

// moved gives a client another pool. On its loop.
func (r *registry) moved(c *client, to *pool.Pool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.pool = to
}

// pid is the process ID that the client's cancel key has. On its loop.
func (c *client) pid() uint32 {
	if backend := c.seldom().backend; backend != 0 {
		return backend
	}
	return noBackend + c.id
}

// find returns the client that a cancel key belongs to, nil if none.
func (r *registry) find(pid uint32, secret []byte) *client {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.byBackend[pid] {
		if c.hasSecret(secret) {
			return c
		}
	}
	if c := r.byID.get(pid - noBackend); c != nil && !c.tied && c.hasSecret(secret) {
		return c
	}
	return nil
}

func (c *client) hasSecret(secret []byte) bool {
	return subtle.ConstantTimeCompare(binary.BigEndian.AppendUint32(nil, c.secret), secret) == 1
}

// numbered returns the client of a number, nil if there is none.
func (r *registry) numbered(id uint64) *client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id >= noBackend {
		return nil
	}
	return r.byID.get(uint32(id))
}

// each calls fn on every client, outside of the lock.
func (r *registry) each(fn func(*client)) {
	r.mu.Lock()
	all := slices.AppendSeq(make([]*client, 0, r.byID.n), r.byID.all)
	r.mu.Unlock()
	for _, c := range all {
		fn(c)
	}
}

// waitEmpty blocks until no client is left; false when ctx ends first.
func (r *registry) waitEmpty(ctx context.Context) bool {
	r.mu.Lock()
	if r.byID.n == 0 {
		r.mu.Unlock()
		return true
	}
	if r.emptied == nil {
		r.emptied = make(chan struct{})
	}
	emptied := r.emptied
	r.mu.Unlock()
	select {
	case <-emptied:
		return true
	case <-ctx.Done():
		return false
	}
}
