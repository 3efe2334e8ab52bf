package lab

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// needServers leaves a test that starts servers out of -short.
func needServers(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("starts servers")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// mustBeGone fails the test if a process works below dir, or dir is still there.
func mustBeGone(t *testing.T, dir string) {
	t.Helper()
	if pids := working(dir); len(pids) > 0 {
		t.Errorf("processes %v are left below %s", pids, dir)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

func TestReservedPortsAreDistinctAndFree(t *testing.T) {
	first, err := ReservePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ReservePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, port := range append(first, second...) {
		if seen[port] {
			t.Errorf("port %d was given twice", port)
		}
		if port < lowestPort || port > highestPort {
			t.Errorf("port %d is out of range", port)
		}
		seen[port] = true
	}
	releasePorts(append(first, second...))
}

func TestPollEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*pollEvery)
	defer cancel()
	if err := Poll(ctx, "wait", func() error { return ErrNoLeader }); err == nil {
		t.Error("Poll succeeded")
	}
}

func TestPollTellsWhatItWasToldBeforeItsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	err := Poll(ctx, "wait", func() error {
		if asked++; asked < 3 {
			return ErrNoLeader
		}
		cancel() // in the middle of a question
		return ctx.Err()
	})
	if !errors.Is(err, ErrNoLeader) {
		t.Error(err)
	}
}
