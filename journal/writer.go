package journal

import (
	"bytes"
	"io"
	"log/slog"
	"sync/atomic"
)

// writer is what the goroutine of a journal knows of its reader.
type writer struct {
	out  io.Writer
	lost *atomic.Uint64
	owed int  // lines lost that the reader has not been told of
	torn bool // the last line that arrived is not whole
}

// write gives the reader a batch and tells it of what is missing, where it is missing.
func (w *writer) write(b batch) {
	w.tell(b.form)
	n := bytes.Count(b.lines[w.put(b.lines):], newline)
	w.lost.Add(uint64(n)) // those that found no room are counted already
	w.owed += n + b.missed
	w.tell(b.form)
}

// tell writes one line for all that are missing. A level of the log above warnings leaves it out.
func (w *writer) tell(form func(io.Writer) slog.Handler) {
	if w.owed == 0 {
		return
	}
	var line bytes.Buffer
	slog.New(form(&line)).Warn("log lines lost: the reader of the log was too slow, or away", "lines", w.owed)
	if w.put(line.Bytes()) == line.Len() {
		w.owed = 0
	}
}

// put writes b and returns how much of it arrived.
func (w *writer) put(b []byte) int {
	if w.torn {
		if _, err := w.out.Write(newline); err != nil {
			return 0
		}
		w.torn = false
	}
	n, err := w.out.Write(b)
	if err == nil {
		return len(b)
	}
	w.torn = n > 0 && b[n-1] != '\n'
	return n
}
