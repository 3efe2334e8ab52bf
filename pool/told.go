package pool

import (
	"context"
	"log/slog"
)

// toldOnce is whether the log has been told aloud that something fails, which is asked again
// and again.
type toldOnce bool

// tell takes in how it went, and reports whether it goes well again.
func (t *toldOnce) tell(log *slog.Logger, words string, err error) (again bool) {
	before := bool(*t)
	if *t = err != nil; err != nil {
		log.Log(context.Background(), levelOf(!before), words, "error", err)
	}
	return before && err == nil
}
