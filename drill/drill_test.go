package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// survivable is what a client may be told of a failover, on its living connection.
var survivable = []string{"08006", "08007", "25P02"}

func buildPortero(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "portero")
	args := append([]string{"build", "-o", binary}, buildFlags...)
	out, err := exec.CommandContext(t.Context(), "go", append(args, "portero/cmd/portero")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// TestServer2GoesAndComesBack is the selection of the drill: the server with the leader of one
// group and the standby of another.
func TestServer2GoesAndComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("needs etcd, Patroni, PostgreSQL, and network namespaces")
	}
	s, err := startStage(t.Context(), buildPortero(t), byName(layouts, "plan", layoutName), byName(settings, "least", settingName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s", s.logs(), s.portero.LogTail(200))
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	f, err := s.play(t.Context(), byName(events, "kill-2", eventName))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(summary(f))
	sum := f.sum()
	if sum.Lost+sum.Twice+sum.Refused > 0 {
		t.Errorf("of %d rows %d are lost and %d are there twice; %d were told to have failed, and are there", sum.Acked, sum.Lost, sum.Twice, sum.Refused)
	}
	if sum.Late > 0 {
		t.Errorf("%d writes were begun after their server had led, and reached it", sum.Late)
	}
	if sum.Cut > 0 {
		t.Errorf("%d connections were cut", sum.Cut)
	}
	for _, p := range f.Parties {
		for what, n := range p.Errors {
			if !slices.Contains(survivable, what) {
				t.Errorf("writers of %s were told %s, %d times", p.Name, what, n)
			}
		}
	}
}
