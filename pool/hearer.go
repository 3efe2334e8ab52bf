package pool

import (
	"sync/atomic"

	"portero/loop"
	"portero/wire"
)

// Hearer is a client that listens by its pool's ear. It belongs to the client's
// loop, but for what the ear's mu guards.
type Hearer struct {
	ear *ear
	has atomic.Bool // something has come

	// Guarded by the ear's mu.
	loop     *loop.Loop
	wake     func()
	channels map[string]struct{}
	notes    []note
	size     int // bytes of notes
	over     bool
}

// note is a notification that the client has not been given.
type note struct {
	channel string
	frame   []byte // NotificationResponse; others have the same, so that nobody may change it
}

// maxUnheard bounds what waits for one client, in bytes. Bookkeeping counts too.
const (
	maxUnheard  = 4 << 20
	sizePerNote = 64
)

// NewHearer prepares a client of the pool to listen. wake is run on l when
// something has come for the first time since Take, and when it is too much.
func (p *Pool) NewHearer(l *loop.Loop, wake func()) *Hearer {
	return &Hearer{ear: p.ear, loop: l, wake: wake, channels: make(map[string]struct{})}
}

// Move is called when the client has come to another loop: wake is run there from now on. What
// was woken on the loop before may still run.
func (h *Hearer) Move(l *loop.Loop, wake func()) {
	h.ear.mu.Lock()
	defer h.ear.mu.Unlock()
	h.loop, h.wake = l, wake
}

// Has reports whether there is something to Take.
func (h *Hearer) Has() bool { return h.has.Load() }

// Listens reports whether the client listens to a channel, and Channels to how many.
func (h *Hearer) Listens(channel string) bool {
	h.ear.mu.Lock()
	defer h.ear.mu.Unlock()
	_, ok := h.channels[channel]
	return ok
}

// Channels is how many the client listens to.
func (h *Hearer) Channels() int {
	h.ear.mu.Lock()
	defer h.ear.mu.Unlock()
	return len(h.channels)
}

// Encodings are that of what it hears, and that which the client has if it has not
// set another, as PostgreSQL calls them.
func (h *Hearer) Encodings() (heard, usual string) {
	h.ear.mu.Lock()
	defer h.ear.mu.Unlock()
	return h.ear.encoding, h.ear.usual
}

// Take adds what has come to dst, and tells how many notifications that are. What
// the client does not listen to any more is left out, as PostgreSQL does.
func (h *Hearer) Take(dst []byte) (_ []byte, n int) {
	h.ear.mu.Lock()
	defer h.ear.mu.Unlock()
	h.has.Store(false)
	for _, note := range h.notes {
		if _, ok := h.channels[note.channel]; ok {
			dst = append(dst, note.frame...)
			n++
		}
	}
	clear(h.notes)
	h.notes, h.size = h.notes[:0], 0
	if cap(h.notes) > 64 {
		h.notes = nil
	}
	return dst, n
}

// Over returns what to tell a client for which too much has come, and nil for others.
func (h *Hearer) Over() *wire.Error {
	h.ear.mu.Lock()
	defer h.ear.mu.Unlock()
	if !h.over {
		return nil
	}
	e := wire.Fatal(wire.ConfigurationLimit, "too many notifications wait for this session (more than %d MB)", maxUnheard>>20)
	e.Hint = "Read notifications sooner, and do not listen in sessions that have long transactions."
	return e
}

func (h *Hearer) putLocked(n note) {
	if h.over {
		return
	}
	if h.size += len(n.frame) + sizePerNote; h.size > maxUnheard {
		h.over, h.notes = true, nil
	} else {
		h.notes = append(h.notes, n)
	}
	if !h.has.Swap(true) || h.over {
		h.loop.Post(h.wake)
	}
}

// Errand is sent to ears, and returns when they have done it. It belongs to the
// loop of its Task, which is woken then.
type Errand struct {
	task *loop.Task
	left int
}

// NewErrand prepares an Errand for a Task.
func NewErrand(t *loop.Task) *Errand { return &Errand{task: t} }

// Out reports whether it has not come back from all ears.
func (e *Errand) Out() bool { return e.left > 0 }

// returned tells the Task. Any goroutine.
func (e *Errand) returned() {
	e.task.Loop().Post(func() {
		e.left--
		e.task.Loop().Wake(e.task)
	})
}
