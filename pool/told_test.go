package pool

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestAFailureIsToldAloudOnceUntilItIsOver(t *testing.T) {
	d := &diary{}
	log := slog.New(slog.NewTextHandler(d, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var once toldOnce
	again := 0
	for _, how := range strings.Fields("ok down down down ok ok down") {
		var err error
		if how == "down" {
			err = errors.New("away")
		}
		if once.tell(log, "it fails", err) {
			again++
		}
	}
	if aloud, low := d.times("level=WARN"), d.times("level=DEBUG"); aloud != 2 || low != 2 || again != 1 {
		t.Errorf("aloud %d times, low %d, and %d times over", aloud, low, again)
	}
}
