package journal

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// reader is who the journal writes to: it can stall, and it can go away.
type reader struct {
	mu    sync.Mutex // guards what follows
	text  bytes.Buffer
	fault error // of every write
	takes int   // bytes that a write takes before its fault

	entered chan struct{} // a write has begun; nil: nobody wants to know
	gate    chan struct{} // a write waits for it; nil: it does not
}

func (r *reader) Write(b []byte) (int, error) {
	if r.gate != nil {
		select {
		case r.entered <- struct{}{}:
		default:
		}
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		n := min(r.takes, len(b))
		r.takes = 0
		r.text.Write(b[:n])
		return n, r.fault
	}
	return r.text.Write(b)
}

func (r *reader) fails(after int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takes, r.fault = after, err
}

func (r *reader) seen() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// stalled is a reader that lets nothing pass before its gate is closed.
func stalled() *reader {
	return &reader{entered: make(chan struct{}, 1), gate: make(chan struct{})}
}

// open starts a journal that ends with the test.
func open(t *testing.T, r io.Writer) (*Journal, *atomic.Uint64) {
	t.Helper()
	lost := new(atomic.Uint64)
	j := Open(r, lost)
	t.Cleanup(func() { j.Close(patience) })
	return j, lost
}

// say writes lines, numbered from first, and fails the test if that takes long.
func say(t *testing.T, j *Journal, first, n int) {
	t.Helper()
	said := make(chan struct{})
	go func() {
		defer close(said)
		for i := range n {
			fmt.Fprintf(j, "line %d, and something to make it longer\n", first+i)
		}
	}()
	select {
	case <-said:
	case <-time.After(patience):
		t.Fatal("the writer was held up")
	}
}

// spoken reads a text back: the numbers of its lines, and how many it says were lost behind
// which of them.
func spoken(t *testing.T, text string) (numbers []int, gaps map[int]int) {
	t.Helper()
	gaps = make(map[int]int)
	for line := range strings.Lines(text) {
		if m := regexp.MustCompile(`^line (\d+), and something to make it longer\n$`).FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			numbers = append(numbers, n)
		} else if m := regexp.MustCompile(`level=WARN msg="log lines lost: .*" lines=(\d+)\n$`).FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			last := -1
			if len(numbers) > 0 {
				last = numbers[len(numbers)-1]
			}
			gaps[last] += n
		} else {
			t.Errorf("unexpected line %q", line)
		}
	}
	return numbers, gaps
}

func TestLinesComeInTheirOrder(t *testing.T) {
	r := &reader{}
	j, lost := open(t, r)
	say(t, j, 0, 2000)
	j.Close(patience)
	numbers, gaps := spoken(t, r.seen())
	for i, n := range numbers {
		if i != n {
			t.Fatalf("line %d comes as number %d", n, i)
		}
	}
	if len(numbers) != 2000 || len(gaps) > 0 || lost.Load() > 0 {
		t.Errorf("%d lines, gaps %v, %d lost", len(numbers), gaps, lost.Load())
	}
}

// The gap is told of where it is: behind the lines before it, and before those behind it.
func TestAStalledReaderHoldsUpNobodyAndIsToldOfTheGap(t *testing.T) {
	const all = 4 * maxQueued / 40
	r := stalled()
	j, lost := open(t, r)
	say(t, j, 0, 1)
	<-r.entered
	say(t, j, 1, all-1)
	missing := int(lost.Load())
	if missing == 0 {
		t.Fatal("nothing was lost: the queue has no bound")
	}
	close(r.gate)
	last := all - missing - 1
	deadline := time.Now().Add(patience)
	for !strings.Contains(r.seen(), fmt.Sprintf("lines=%d\n", missing)) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is said of the gap")
		}
		<-time.After(time.Millisecond)
	}
	say(t, j, all, 10)
	j.Close(patience)
	numbers, gaps := spoken(t, r.seen())
	if len(numbers)+missing != all+10 {
		t.Errorf("%d lines came and %d were lost, of %d", len(numbers), missing, all+10)
	}
	if len(gaps) != 1 || gaps[last] != missing {
		t.Errorf("gaps %v, want %d behind line %d", gaps, missing, last)
	}
	if size := len(r.seen()); size > 2*maxQueued+1000 {
		t.Errorf("%d bytes were kept", size)
	}
}

// A short line must not slip in where a long one found no room: the gap would be told of
// behind it.
func TestNothingSlipsIntoTheGap(t *testing.T) {
	r := stalled()
	j, lost := open(t, r)
	fmt.Fprintln(j, "the first")
	<-r.entered
	fmt.Fprintln(j, strings.Repeat("x", maxQueued-100))
	fmt.Fprintln(j, strings.Repeat("y", 200))
	fmt.Fprintln(j, "short")
	close(r.gate)
	j.Close(patience)
	if text := r.seen(); lost.Load() != 2 || strings.Contains(text, "short") || !strings.HasSuffix(text, "lines=2\n") {
		t.Errorf("%d lines lost; it ends with %q", lost.Load(), text[max(0, len(text)-200):])
	}
}

func TestAReaderThatWentAwayIsToldOfTheGapWhenItIsBack(t *testing.T) {
	r := &reader{}
	j, lost := open(t, r)
	r.fails(0, syscall.EPIPE)
	say(t, j, 0, 100)
	deadline := time.Now().Add(patience)
	for lost.Load() < 100 {
		if time.Now().After(deadline) {
			t.Fatalf("%d lines counted, want 100", lost.Load())
		}
		<-time.After(time.Millisecond)
	}
	r.fails(0, nil)
	say(t, j, 100, 5)
	j.Close(patience)
	numbers, gaps := spoken(t, r.seen())
	if len(numbers) != 5 || numbers[0] != 100 || gaps[-1] != 100 || len(gaps) != 1 {
		t.Errorf("lines %v, gaps %v", numbers, gaps)
	}
}

// As with a disk that is full: half a line must not swallow the next.
func TestHalfALineIsLostAlone(t *testing.T) {
	r := &reader{}
	j, lost := open(t, r)
	r.fails(6, syscall.ENOSPC)
	fmt.Fprint(j, "a line that is cut\n")
	deadline := time.Now().Add(patience)
	for lost.Load() < 1 {
		if time.Now().After(deadline) {
			t.Fatal("not counted")
		}
		<-time.After(time.Millisecond)
	}
	r.fails(0, nil)
	say(t, j, 7, 1)
	j.Close(patience)
	first, rest, _ := strings.Cut(r.seen(), "\n")
	numbers, gaps := spoken(t, rest)
	if first != "a line" || len(numbers) != 1 || numbers[0] != 7 || gaps[-1] != 1 {
		t.Errorf("%q", r.seen())
	}
}

func TestCloseDoesNotWaitForAStalledReader(t *testing.T) {
	r := stalled()
	j, lost := open(t, r)
	defer close(r.gate)
	say(t, j, 0, 10)
	<-r.entered
	closed := make(chan struct{})
	go func() {
		j.Close(10 * time.Millisecond)
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("it waits")
	}
	say(t, j, 10, 3)
	if n := lost.Load(); n != 3 {
		t.Errorf("%d lines lost behind the end, want 3", n)
	}
}

func TestTheGapIsToldOfInTheFormOfTheLog(t *testing.T) {
	r := &reader{}
	j, lost := open(t, r)
	level := slog.LevelInfo
	log := slog.New(j.Handler(func(w io.Writer) slog.Handler {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}))
	r.fails(0, syscall.EPIPE)
	log.Info("unheard")
	deadline := time.Now().Add(patience)
	for lost.Load() < 1 {
		if time.Now().After(deadline) {
			t.Fatal("not counted")
		}
		<-time.After(time.Millisecond)
	}
	r.fails(0, nil)
	log.Info("heard")
	j.Close(patience)
	want := regexp.MustCompile(`^\{.*"level":"WARN","msg":"log lines lost.*","lines":1\}\n\{.*"msg":"heard"\}\n$`)
	if !want.MatchString(r.seen()) {
		t.Errorf("%q", r.seen())
	}
}

// What a loop pays for a line: no memory once there are queues.
func TestWritingALineAllocatesNothing(t *testing.T) {
	j, _ := open(t, io.Discard)
	line := []byte("a line of the usual length, with a reason and an address in it\n")
	for range 1000 {
		j.Write(line) //nolint:errcheck // it has none
	}
	if n := testing.AllocsPerRun(1000, func() { j.Write(line) }); n > 0.1 { //nolint:errcheck // likewise
		t.Errorf("%.2f allocations", n)
	}
}
