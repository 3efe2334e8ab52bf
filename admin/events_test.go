package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portero/metrics"
)

// event is one of /events.
type event struct {
	id, name, data string
}

// listener reads /events.
type listener struct {
	t        *testing.T
	response *http.Response
	lines    *bufio.Reader
}

// startQuick is start, with a hundred states in a second.
func startQuick(t *testing.T, o Options) *Server {
	t.Helper()
	s := New("127.0.0.1:0", o)
	s.feed.pace = time.Millisecond
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func listen(t *testing.T, s *Server) *listener {
	t.Helper()
	request := orFail(http.NewRequestWithContext(inTimeFor(t), "GET", "http://"+s.Addr()+"/events", nil))(t)
	response := orFail((&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request))(t)
	t.Cleanup(func() { response.Body.Close() })
	return &listener{t, response, bufio.NewReader(response.Body)}
}

// next is the next event, or the error that the stream ended with.
func (l *listener) next() (e event, err error) {
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
		case "":
			return e, nil
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "retry":
		default:
			return e, fmt.Errorf("line %q", line)
		}
	}
}

func (l *listener) mustNext() event {
	l.t.Helper()
	return orFail(l.next())(l.t)
}

func TestEventsBeginWithTheStateAndGoOnWithChanges(t *testing.T) {
	started := time.Now()
	now := busy()
	s := startQuick(t, Options{Snapshot: func() Snapshot {
		now.Started, now.Now = started, time.Now()
		return now
	}})
	l := listen(t, s)
	if kind := l.response.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("Content-Type %q", kind)
	}
	first := l.mustNext()
	if first.name != "state" || !strings.Contains(first.data, `"leader":"pg1"`) {
		t.Errorf("first %+v", first)
	}
	last := 0
	for i := range 3 {
		e := l.mustNext()
		var id int
		fmt.Sscan(e.id, &id)
		var got struct {
			UpMS int `json:"up_ms"`
		}
		if err := json.Unmarshal([]byte(e.data), &got); err != nil || e.name != "change" || strings.Contains(e.data, `"leader"`) {
			t.Errorf("event %d: %+v, %v", i, e, err)
		}
		if got.UpMS < last || fmt.Sprint(id-i-1) != first.id {
			t.Errorf("event %d, at %d ms, has id %s, behind %d ms and %s", i, got.UpMS, e.id, last, first.id)
		}
		last = got.UpMS
	}
}

func TestWhatIsOfImportanceIsToldAtOnce(t *testing.T) {
	var ready, failover atomic.Bool
	notReady := func() []string {
		if ready.Load() {
			return nil
		}
		return []string{"no leader"}
	}
	failovers := func() (all []metrics.FailoverState) {
		if failover.Load() {
			all = append(all, metrics.FailoverState{Cluster: "main", Lost: started})
		}
		return all
	}
	began := time.Now()
	s := New("127.0.0.1:0", Options{
		Ready: func([]string) ([]Check, error) { return []Check{{Why: notReady()}}, nil }, Failovers: failovers,
		Snapshot: func() Snapshot {
			return Snapshot{Started: began, Now: time.Now(), NotReady: notReady(), Failovers: failovers()}
		},
	})
	// With no clock of a second, an event can only come as something has changed.
	f := s.feed
	taken := func() *edition { return orFail(f.take())(t) }
	taken()
	if f.glances() {
		t.Error("what is the same is told again")
	}
	ready.Store(true)
	if !f.glances() {
		t.Error("that it is ready is not told at once")
	}
	taken()
	failover.Store(true)
	if !f.glances() {
		t.Error("that a failover has begun is not told at once")
	}
	if e := taken(); !strings.Contains(string(e.change), `"is":"under way"`) {
		t.Errorf("%s", e.change)
	}
	if f.glances() {
		t.Error("what has been told is told again")
	}
}

func TestOneStateIsMadeForAllReaders(t *testing.T) {
	var counted atomic.Bool
	asked, made := make(chan struct{}, 1), make(chan struct{})
	s := startQuick(t, Options{Snapshot: func() Snapshot {
		if counted.Load() {
			asked <- struct{}{}
			<-made
		}
		return Snapshot{Now: time.Now()}
	}})
	defer close(made)
	var all []*listener
	for range MaxStreams {
		l := listen(t, s)
		l.mustNext()
		all = append(all, l)
	}
	counted.Store(true)
	<-asked
	last := s.feed.now().number
	for range 3 { // of which each waits for the one before
		made <- struct{}{}
		<-asked
	}
	for i, l := range all {
		for e := l.mustNext(); e.id != fmt.Sprint(last+3); e = l.mustNext() {
			if e.name != "change" {
				t.Errorf("reader %d: %+v", i, e)
			}
		}
	}
	counted.Store(false)
}

func TestAPanicInTheMiddleOfAStreamLeavesTheOthers(t *testing.T) {
	log := &lines{}
	var broken atomic.Bool
	s := New("127.0.0.1:0", Options{Log: slog.New(slog.NewTextHandler(log, nil)), Snapshot: busy, Ready: func([]string) ([]Check, error) {
		if broken.Load() {
			panic("a bug")
		}
		return nil, nil
	}})
	s.feed.pace = time.Millisecond
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	l := listen(t, s)
	l.mustNext()
	broken.Store(true)
	until(t, "the log tells", func() bool { return log.has("a bug") })
	broken.Store(false)
	listen(t, s).mustNext()
	l.mustNext()
}

func TestNothingIsMadeWhileNobodyReads(t *testing.T) {
	s := start(t, Options{Snapshot: func() Snapshot { t.Error("a state was made"); return Snapshot{} }})
	for range 3 {
		if response, _ := ask(t, s, "GET", "/healthz"); response.StatusCode != 200 {
			t.Fatal(response.Status)
		}
	}
	if s.feed.isRead() {
		t.Error("it takes itself for read")
	}
}

func TestStreamsAreBounded(t *testing.T) {
	s := start(t, Options{Snapshot: func() Snapshot { return Snapshot{Now: time.Now()} }})
	var all []*listener
	for range MaxStreams {
		l := listen(t, s)
		l.mustNext()
		all = append(all, l)
	}
	response, body := ask(t, s, "GET", "/events")
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || !strings.Contains(body, "/state") {
		t.Errorf("one more: %s %q", response.Status, body)
	}
	for _, path := range []string{"/state", "/healthz"} {
		if response, _ := ask(t, s, "GET", path); response.StatusCode != 200 {
			t.Errorf("%s beside all streams: %s", path, response.Status)
		}
	}
	all[0].response.Body.Close()
	until(t, "there is room again", func() bool {
		response := orFail(http.Get("http://" + s.Addr() + "/events"))(t)
		defer response.Body.Close()
		return response.StatusCode == 200
	})
}

func TestAReaderThatReadsNothingHoldsUpNobodyAndIsGivenUp(t *testing.T) {
	names := strings.Repeat("x", 1<<16)
	var n atomic.Int64
	s := New("127.0.0.1:0", Options{Snapshot: func() Snapshot {
		s := Snapshot{Now: time.Now()}
		for i := range 60 { // some megabytes, each time others
			s.Groups = append(s.Groups, metrics.GroupState{Cluster: fmt.Sprint(names, n.Add(1)), Group: i})
		}
		return s
	}})
	s.feed.pace, s.feed.stall = time.Millisecond, 200*time.Millisecond
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	for range 4 {
		fmt.Fprint(dial(t, s), "GET /events HTTP/1.1\r\nHost: portero\r\n\r\n")
	}
	until(t, "all read", func() bool { return s.readers() == 4 })
	l := listen(t, s)
	for l.mustNext(); s.readers() > 1; l.mustNext() {
	}
}

func (s *Server) readers() int {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return s.feed.readers
}

// Whoever has missed a change, as it could not be sent in time, gets the whole.
func TestWhoHasMissedAChangeGetsTheWhole(t *testing.T) {
	s := New("127.0.0.1:0", Options{Snapshot: busy})
	read, write := net.Pipe()
	defer read.Close()
	w := &pipeWriter{header: make(http.Header), conn: write}
	ctx, cancel := context.WithCancel(inTimeFor(t))
	defer cancel()
	request := orFail(http.NewRequestWithContext(ctx, "GET", "/events", nil))(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer write.Close()
		events(s.feed)(w, request)
	}()
	l := &listener{t: t, lines: bufio.NewReaderSize(read, 16)}
	first := l.mustNext()
	for range 5 { // the stream hangs in the first of them at the latest
		orFail(s.feed.take())(t)
	}
	seen := first.id
	for {
		e := l.mustNext()
		if e.name == "state" {
			if e.id != "6" {
				t.Errorf("the whole is that of %s, behind %s", e.id, seen)
			}
			break
		}
		seen = e.id
	}
	cancel()
	io.Copy(io.Discard, read) //nolint:errcheck // up to its end
	<-done
}

// pipeWriter is an answer without buffers.
type pipeWriter struct {
	header http.Header
	conn   net.Conn
}

func (w *pipeWriter) Header() http.Header                 { return w.header }
func (w *pipeWriter) WriteHeader(int)                     {}
func (w *pipeWriter) Write(b []byte) (int, error)         { return w.conn.Write(b) }
func (w *pipeWriter) Flush()                              {}
func (w *pipeWriter) SetWriteDeadline(at time.Time) error { return w.conn.SetWriteDeadline(at) }
func (w *pipeWriter) SetReadDeadline(time.Time) error     { return nil }

func TestCloseEndsStreamsAtOnce(t *testing.T) {
	s := start(t, Options{Snapshot: busy})
	var all []*listener
	for range 3 {
		l := listen(t, s)
		l.mustNext()
		all = append(all, l)
	}
	silent := dial(t, s)
	fmt.Fprint(silent, "GET /events HTTP/1.1\r\nHost: portero\r\n\r\n")
	until(t, "all read", func() bool { return s.readers() == 4 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	for _, l := range all {
		for {
			if _, err := l.next(); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("a stream ends with %v", err)
				}
				break
			}
		}
	}
	if err := s.Close(ctx); err != nil {
		t.Errorf("close again: %v", err)
	}
}

// A stream outlives what the server has as a limit for other requests.
func TestAStreamOutlivesTheLimitsOfTheServer(t *testing.T) {
	s := New("127.0.0.1:0", Options{Snapshot: busy})
	s.http.ReadTimeout, s.http.WriteTimeout, s.http.ReadHeaderTimeout = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	s.feed.pace = 10 * time.Millisecond
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	l := listen(t, s)
	for range 4 {
		l.mustNext()
	}
}
