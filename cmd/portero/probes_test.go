package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/loop"
)

// A loop that hangs is a reason for a restart; that nobody can be reached is none.
func TestLivezIsAboutTheEventLoopsAlone(t *testing.T) {
	addresses := freeAddresses(t, 3)
	in := startHere(t, configFor(t, addresses[0], addresses[1], addresses[2], "")) // nobody is at the first
	for range 3 {
		if status, body := httpGet(t, in.adminAddress(), "/livez"); status != http.StatusOK || body != "ok\n" {
			t.Errorf("without a database: %d %s", status, body)
		}
	}
	in.pulse = loop.NewPulse(in.loops, 20*time.Millisecond)
	release := make(chan struct{})
	in.loops[0].Post(func() { <-release })
	for _, path := range []string{"/livez", "/healthz"} {
		eventually(t, func() error {
			status, body := httpGet(t, in.adminAddress(), path)
			if status != http.StatusServiceUnavailable || !strings.HasPrefix(body, "event loop 0 has not turned for ") {
				return errors.New(body)
			}
			return nil
		})
	}
	close(release)
	eventually(t, func() error {
		if status, body := httpGet(t, in.adminAddress(), "/livez"); status != http.StatusOK {
			return errors.New(body)
		}
		return nil
	})
	stopHere(t, in, syscall.SIGINT)
}

func httpGet(t *testing.T, address, path string) (status int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
