package proxy_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// besides has the names of the tests that run side by side: goroutines and descriptors are
// those of all of them, so that only TestMain can tell what they have left.
var besides sync.Map

// sideBySide has a test that mostly waits do so beside others of its kind, once all that
// run alone are over. It must neither measure nor disturb who else is at the same server.
func sideBySide(t *testing.T) {
	t.Helper()
	t.Parallel()
	besides.Store(t.Name(), true)
}

func isBeside(t testing.TB) bool {
	name, _, _ := strings.Cut(t.Name(), "/")
	_, ok := besides.Load(name)
	return ok
}

// checkLeaks compares goroutines and descriptors at the end with those of now.
func checkLeaks(t testing.TB) {
	if isBeside(t) {
		return
	}
	leaked := leaksFromNow(0)
	t.Cleanup(func() {
		if err := leaked(); err != nil {
			t.Error(err)
		}
	})
}

// leaksFromNow returns what waits until there are no more descriptors than now, nor more
// goroutines beyond those that stay. Its error says what is left.
func leaksFromNow(stay int) func() error {
	goroutines, fds := runtime.NumGoroutine()+stay, openFiles()
	return func() error {
		for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines || openFiles() > fds; <-time.After(2 * time.Millisecond) {
			if time.Now().After(end) {
				return fmt.Errorf("leaked: %d goroutines, before %d; %d descriptors, before %d\n%s",
					runtime.NumGoroutine(), goroutines, openFiles(), fds, stacks())
			}
		}
		return nil
	}
}

func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(list)
}

func stacks() string {
	b := make([]byte, 16<<10)
	return string(b[:runtime.Stack(b, true)])
}

// logged keeps the log.
type logged struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

func (l *logged) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = nil
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool { return strings.Contains(line, text) })
}
