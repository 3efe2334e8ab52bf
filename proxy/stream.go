package proxy

import (
	"time"

	"portero/loop"
)

// keepWhole is the largest body, in bytes, that is kept back until all of it
// has come. Larger frames stream.
const keepWhole = 16 << 10

// stream is the unfinished end of one direction: the beginning of a frame
// whose rest has not come, or the middle of a large one passing through.
type stream struct {
	kept    []byte // a loop's buffer, or few; nil when nothing is kept
	few     []byte // a buffer of fewBytes; nil before it was needed
	ready   bool   // kept may hold whole frames: look at it without reading
	held    bool   // kept must wait until the server has answered more
	counted bool   // ... and its first frame counts as asked already
	passing int    // bytes still to come of a frame that streams
	dropped bool   // ... and they go nowhere
}

func (s *stream) empty() bool { return len(s.kept) == 0 && s.passing == 0 }

// keep copies b for the next time; b may lie in the loop's scratch buffer.
func (s *stream) keep(l *loop.Loop, b []byte) {
	if len(b) == 0 {
		s.free(l)
		return
	}
	switch {
	case len(b) <= fewBytes && s.kept == nil:
		if s.few == nil {
			s.few = make([]byte, 0, fewBytes)
		}
		s.kept = s.few
	case len(b) > max(cap(s.kept), fewBytes):
		s.free(l)
		s.kept = l.TakeBuffer()
	}
	s.kept = append(s.kept[:0], b...)
}

// fewBytes is what is kept in a small buffer of the stream's own: most requests of those who wait for
// a server are as short, and there may be hundreds, whose buffers of 64 kB would not stay in the
// processor's cache.
const fewBytes = 512

// load moves what was kept to the front of buf and returns its length.
func (s *stream) load(l *loop.Loop, buf []byte) int {
	n := copy(buf, s.kept)
	s.ready = false
	s.free(l)
	return n
}

// passes is how many of the next n bytes belong to a frame that streams.
func (s *stream) passes(n int) int {
	n = min(s.passing, n)
	s.passing -= n
	return n
}

func (s *stream) free(l *loop.Loop) {
	if cap(s.kept) > fewBytes {
		l.GiveBuffer(s.kept)
	}
	s.kept = nil
}

func (s *stream) drop(l *loop.Loop) {
	s.free(l)
	s.ready, s.held, s.counted, s.passing, s.dropped = false, false, false, 0, false
}

// stall watches a client that does not take what it is sent.
type stall struct {
	left     int   // bytes that were pending when we looked last
	deadline int64 // loop time; 0 = it is not behind
}

// over reports whether the client has taken nothing for the timeout, and sets
// the deadline for the next look.
func (s *stall) over(now int64, pending int, timeout time.Duration) bool {
	switch {
	case pending == 0 || timeout == 0:
		s.deadline = 0
	case s.deadline == 0 || pending != s.left:
		s.deadline = now + int64(timeout)
	case now >= s.deadline:
		return true
	}
	s.left = pending
	return false
}
