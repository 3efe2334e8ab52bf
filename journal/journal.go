package journal

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// maxQueued is how many bytes may wait for the reader, beside as many that it is being
// given: some five thousand lines, each.
const maxQueued = 1 << 20

// maxKept is how much memory a burst of lines may leave behind, in bytes.
const maxKept = 64 << 10

// Journal is an io.Writer for whole lines. Its methods may be called from any goroutine.
type Journal struct {
	out  io.Writer
	lost *atomic.Uint64 // lines that no reader will see
	done chan struct{}  // closed when write has returned

	mu      sync.Mutex // guards what follows; never held over a write to out
	changed sync.Cond  // of queue and closed
	queue   []byte
	missed  int // lines that found no room since write last took the queue
	form    func(io.Writer) slog.Handler
	closed  bool
}

// Open starts to write to out, which may block for as long as it likes. Lines that are lost
// are counted in lost. The caller closes the journal; out remains the caller's.
func Open(out io.Writer, lost *atomic.Uint64) *Journal {
	j := &Journal{out: out, lost: lost, done: make(chan struct{}), form: text}
	j.changed.L = &j.mu
	go j.write()
	return j
}

func text(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }

// Handler returns a handler that form makes over the journal. The journal's own line, about
// the lines that were lost, takes the same form.
func (j *Journal) Handler(form func(io.Writer) slog.Handler) slog.Handler {
	j.mu.Lock()
	j.form = form
	j.mu.Unlock()
	return form(j)
}

// Write queues one or more whole lines, of which it keeps a copy. It never blocks, and never
// fails: what does not fit is lost.
func (j *Journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	// Behind a line that was lost there is a gap until the line that tells of it.
	if j.closed || j.missed > 0 || len(j.queue)+len(b) > maxQueued {
		n := bytes.Count(b, newline)
		j.missed += n
		j.lost.Add(uint64(n))
		return len(b), nil
	}
	j.queue = append(j.queue, b...)
	j.changed.Signal()
	return len(b), nil
}

var newline = []byte{'\n'}

// Close waits until all that is queued has been written, but not longer than patience: a
// reader that has stalled must not keep the process from ending. Lines that come later are lost.
func (j *Journal) Close(patience time.Duration) {
	j.mu.Lock()
	j.closed = true
	j.changed.Signal()
	j.mu.Unlock()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-j.done:
	case <-late.C:
	}
}

// batch is what write takes at once.
type batch struct {
	lines  []byte
	missed int // lines that were lost behind them
	form   func(io.Writer) slog.Handler
}

// next waits for lines and swaps their memory for spare. False: the journal is closed, and
// all has been taken.
func (j *Journal) next(spare []byte) (batch, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.queue) == 0 && !j.closed {
		j.changed.Wait()
	}
	b := batch{j.queue, j.missed, j.form}
	j.queue, j.missed = spare[:0], 0
	return b, len(b.lines) > 0
}

// write is the goroutine that the reader may block.
func (j *Journal) write() {
	defer close(j.done)
	w := writer{out: j.out, lost: j.lost}
	var spare []byte
	for {
		b, ok := j.next(spare)
		if !ok {
			return
		}
		w.write(b)
		if spare = b.lines; cap(spare) > maxKept {
			spare = nil
		}
	}
}
