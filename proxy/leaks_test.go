package proxy_test

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// checkLeaks compares goroutines and descriptors at the end with those of now.
func checkLeaks(t testing.TB) {
	goroutines, fds := runtime.NumGoroutine(), openFiles()
	t.Cleanup(func() {
		end := time.Now().Add(patience)
		for runtime.NumGoroutine() > goroutines || openFiles() > fds {
			if time.Now().After(end) {
				t.Errorf("leaked: %d goroutines, before %d; %d descriptors, before %d\n%s",
					runtime.NumGoroutine(), goroutines, openFiles(), fds, stacks())
				return
			}
			runtime.Gosched()
			<-time.After(2 * time.Millisecond)
		}
	})
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
