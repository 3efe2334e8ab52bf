package admin

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// MaxStreams is how many read /events at once; more are answered 503, and the page then
	// asks for /state instead.
	MaxStreams = 8

	streamStall = 5 * time.Second  // a reader that takes nothing for so long is given up
	streamLife  = 15 * time.Minute // then it has to come again: who hangs with an empty socket is not found otherwise
	streamRetry = time.Second      // after which a browser does
)

// currentState answers with the whole state, as JSON.
func currentState(f *feed) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, _, err := f.whole()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(text, '\n')) //nolint:errcheck // a reader that is gone is no fault of ours
	}
}

// events streams the state as server-sent events: state is all of it, change what has become
// another since the event before. Who has missed a change, as it reads slowly, is sent all.
func events(f *feed) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // nginx would keep them back
		if r.Method == http.MethodHead {
			return
		}
		if !f.enter(MaxStreams) {
			h.Set("Retry-After", "30")
			http.Error(w, fmt.Sprintf("there are %d streams already; /state has the same once", MaxStreams), http.StatusServiceUnavailable)
			return
		}
		defer f.leave()
		s := &stream{w: w, control: http.NewResponseController(w), stall: f.stall}
		s.control.SetReadDeadline(time.Time{}) //nolint:errcheck // nothing more is read; the server's would end the request
		s.run(f, r)
	}
}

// stream is one reader of /events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

// run returns when the reader has gone or takes nothing, at the end of the feed, and after
// streamLife.
func (s *stream) run(f *feed, r *http.Request) {
	life := time.NewTimer(streamLife)
	defer life.Stop()
	text, e, err := f.whole()
	if err != nil {
		http.Error(s.w, err.Error(), http.StatusInternalServerError)
		return
	}
	err = s.send(e.number, "state", text)
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case <-f.stop:
			return
		case <-life.C:
			return
		case <-e.next:
		}
		last := e.number
		if e = f.now(); e.number == last+1 {
			err = s.send(e.number, "change", e.change)
			continue
		}
		if text, e, err = f.whole(); err == nil {
			err = s.send(e.number, "state", text)
		}
	}
}

// send writes one event. JSON has no line breaks of its own.
func (s *stream) send(number uint64, name string, text []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.stall)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, "retry: %d\nid: %d\nevent: %s\ndata: %s\n\n", streamRetry.Milliseconds(), number, name, text); err != nil {
		return err
	}
	return s.control.Flush()
}
