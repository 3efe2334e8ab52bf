package proxy

import (
	"bytes"
	"testing"
	"time"

	"portero/loop"
)

func TestAStreamKeepsWhatIsNotWhole(t *testing.T) {
	l := newLoop(t)
	var s stream
	if !s.empty() {
		t.Fatal("a new stream is not empty")
	}
	scratch := []byte("first")
	s.keep(l, scratch)
	copy(scratch, "XXXXX")
	s.keep(l, []byte("second, longer"))
	s.ready = true
	buf := make([]byte, 64)
	if n := s.load(l, buf); string(buf[:n]) != "second, longer" || s.ready || !s.empty() {
		t.Fatalf("loaded %q, ready %v, empty %v", buf[:n], s.ready, s.empty())
	}
	if n := s.load(l, buf); n != 0 {
		t.Fatalf("loaded %d bytes of nothing", n)
	}
	s.passing = 1
	if s.empty() {
		t.Fatal("a stream is not empty while a frame passes through")
	}
	s.keep(l, []byte("x"))
	s.keep(l, nil)
	if s.kept != nil {
		t.Fatal("a stream that keeps nothing holds a buffer")
	}
	s.keep(l, []byte("x"))
	s.dropped = true
	if s.drop(l); !s.empty() || s.dropped || s.kept != nil {
		t.Fatal("drop has left something")
	}
}

func TestAStreamKeepsLittleInABufferOfItsOwn(t *testing.T) {
	l := newLoop(t)
	var s stream
	buf := make([]byte, 2*loop.ScratchSize)
	for _, n := range []int{1, fewBytes, 1, fewBytes + 1, 2, loop.ScratchSize, fewBytes, 0, 3} {
		first, second := bytes.Repeat([]byte{'a'}, n), bytes.Repeat([]byte{'b'}, n/2+1)
		s.keep(l, first)
		if small := cap(s.kept) <= fewBytes; small != (n <= fewBytes) {
			t.Errorf("%d bytes are in a buffer of %d", n, cap(s.kept))
		}
		s.keep(l, second)
		if got := s.load(l, buf); string(buf[:got]) != string(second) {
			t.Errorf("loaded %d bytes, not %d", got, len(second))
		}
		s.keep(l, second)
		s.keep(l, first)
		if got := s.load(l, buf); string(buf[:got]) != string(first) {
			t.Errorf("loaded %d bytes, not %d", got, len(first))
		}
	}
	if cap(s.few) == 0 || cap(s.few) > fewBytes {
		t.Errorf("a buffer of %d bytes is left", cap(s.few))
	}
}

func newLoop(t *testing.T) *loop.Loop {
	t.Helper()
	l, err := loop.New(0)
	if err != nil {
		t.Fatal(err)
	}
	go l.Run() // only Run frees its descriptors
	t.Cleanup(l.Stop)
	return l
}

func TestAClientThatTakesNothingIsStalledAfterItsTimeout(t *testing.T) {
	var s stall
	second := int64(time.Second)
	steps := []struct {
		now     int64
		pending int
		over    bool
	}{
		{1, 0, false}, {2, 10, false}, {2 + second - 1, 10, false}, {2 + second, 9, false}, // it has taken one
		{2 + 2*second - 1, 9, false}, {2 + 2*second, 9, true},
	}
	for _, st := range steps {
		if got := s.over(st.now, st.pending, time.Second); got != st.over {
			t.Errorf("at %d with %d pending: %v", st.now, st.pending, got)
		}
	}
	if s.over(100*second, 9, 0) || s.deadline != 0 {
		t.Error("no timeout, but stalled")
	}
}
