package lab

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program is a shell script that is started in place of Portero.
func program(t *testing.T, script string) PorteroOptions {
	t.Helper()
	path := filepath.Join(t.TempDir(), "portero")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return PorteroOptions{Program: path, Config: "loops = 1\n"}
}

func TestPorteroIsStartedWithItsConfigurationAndAddresses(t *testing.T) {
	p, err := StartPortero(program(t, `echo "$1 $2"; cat "$3"; echo msg=ready x; while :; do sleep 0.05; done`))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("serve --config\nloops = 1\n\n[admin]\naddress = %q\n[[listener]]\naddress = %q\nmsg=ready x\n", p.Admin, p.Address)
	if got := p.Log(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	dir := p.site.dir
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "exit status -1") {
		t.Errorf("a program that TERM kills: %v", err)
	}
	mustBeGone(t, dir)
}

func TestAPorteroThatEndsByItselfIsNotWaitedFor(t *testing.T) {
	p, err := StartPortero(program(t, `echo "no such listener"; exit 1`))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.WaitReady(t.Context()); err == nil || !strings.Contains(err.Error(), "no such listener") {
		t.Errorf("got %v", err)
	}
	if status, err := p.Wait(t.Context()); status != 1 || err != nil {
		t.Errorf("exit status %d, %v", status, err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("it is judged for what was before: %v", err)
	}
}

func TestMetricsAreReadBySeries(t *testing.T) {
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "# HELP a What it is.\n# TYPE a gauge\na 1\nb{user=\"x y\"} 2.5\nb{user=\"z\"} 1e+06\n")
	}))
	defer admin.Close()
	p := &Portero{Admin: admin.Listener.Addr().String()}
	got, err := p.Metrics(t.Context())
	if want := map[string]float64{"a": 1, `b{user="x y"}`: 2.5, `b{user="z"}`: 1e6}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}
