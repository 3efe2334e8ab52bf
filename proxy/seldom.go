package proxy

import (
	"log/slog"
	"sync/atomic"
	"time"

	"portero/loop"
)

// warnEvery bounds how often the log says aloud what may happen to every
// connection of a storm; each time is counted by a metric.
const warnEvery = 5 * time.Second

// seldom makes every line of its kind that comes too soon a quiet one. Safe
// for concurrent use.
type seldom struct{ last atomic.Int64 }

// level is loud, or that of a line for debugging if there was a loud one just now.
func (s *seldom) level(loud slog.Level) slog.Level {
	now, last := loop.Clock(), s.last.Load()
	if last != 0 && now-last < int64(warnEvery) || !s.last.CompareAndSwap(last, now) {
		return slog.LevelDebug
	}
	return loud
}
