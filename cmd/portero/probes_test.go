package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
	"portero/metrics"
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
	stopHere(t, in, syscall.SIGINT)
}

func TestLivezSaysNoWhileALoopHangs(t *testing.T) {
	addresses := freeAddresses(t, 3)
	p, ok := load(configFor(t, addresses[0], addresses[1], addresses[2], ""), t.Output())
	if !ok {
		t.Fatal("the configuration is wrong")
	}
	in := newInstance("", &metrics.Process{})
	in.log, in.hangs = slog.New(slog.DiscardHandler), 20*time.Millisecond
	if err := in.start(p); err != nil {
		t.Fatal(err)
	}
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

// A listener for replicas is no reason to send nobody to the leader.
func TestReadinessIsByRoute(t *testing.T) {
	server := lab.PostgresForTest(t, lab.PostgresOptions{}) // which leads, and has no replica
	p := startProcess(t, lab.PorteroOptions{Config: configText(server.Address(), "") + `
[[route]]
name = "reports"
user = "reports"
role = "replica"
[[route]]
name = "jobs"
database = "jobs"
readiness = false
[[route]]
`})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { // it is known who leads
		c, err := tryConnect(t, p.Address, "postgres")
		if err == nil {
			hangUp(c)
		}
		return err
	})
	p.Signal(syscall.SIGUSR1)
	paused := "cluster local, group 0: paused"
	eventually(t, func() error {
		if _, body := p.get(t, "/readyz?route=jobs"); body != paused+"\n" {
			return errors.New(body)
		}
		return nil
	})
	for _, c := range []struct {
		path string
		code int
		body string
	}{
		{"/readyz", 503, paused},
		{"/readyz?verbose", 503, "[+]process ok\n[-]route reports failed: " + paused + "\n[+]route jobs left out: " + paused + "\n[-]route */* failed: " + paused + "\nreadyz check failed"},
		{"/readyz?route=nosuch", 404, "there is no such route: nosuch; there are: reports, jobs, */*"},
	} {
		if status, body := p.get(t, c.path); status != c.code || body != c.body+"\n" {
			t.Errorf("%s: %d %q", c.path, status, body)
		}
	}
	p.Signal(syscall.SIGUSR2)
	eventually(t, func() error {
		if _, body := p.get(t, "/readyz"); body != "ready\n" {
			return errors.New(body)
		}
		return nil
	})
}
