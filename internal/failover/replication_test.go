package failover

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"portero/internal/lab"
)

// archive is a pg_receivewal that goes through Portero, whoever leads.
type archive struct {
	dir  string
	said bytes.Buffer // once it has ended
	stop func()
}

// startArchive returns when it streams.
func (s *scene) startArchive(t *testing.T) *archive {
	t.Helper()
	bin, err := lab.PostgresBin()
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{dir: t.TempDir()}
	cmd := exec.Command(filepath.Join(bin, "pg_receivewal"), "-D", a.dir, "-d", s.dsn("app"), "-w") // it says "replication", whatever database is named
	cmd.Stdout, cmd.Stderr = &a.said, &a.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	a.stop = func() {
		if !ended {
			ended = true
			cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it has ended
			cmd.Wait()                       //nolint:errcheck // what it has written tells
		}
	}
	t.Cleanup(a.stop)
	a.has(t, "*")
	return a
}

// has waits for a file.
func (a *archive) has(t *testing.T, pattern string) {
	t.Helper()
	lab.Eventually(t, "the archive", func() error {
		if found, err := filepath.Glob(filepath.Join(a.dir, pattern)); err != nil || len(found) == 0 {
			return fmt.Errorf("no %s in it: %w", pattern, err)
		}
		return nil
	})
}

// follows waits until it has gone over to the timeline of the present leader.
func (a *archive) follows(t *testing.T, s *scene) {
	t.Helper()
	c := lab.ClientForTest(t, s.dsn("app"))
	timeline, err := c.Ask(t.Context(), "select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")
	if err != nil {
		t.Fatal(err)
	}
	a.has(t, timeline+".history")
	a.has(t, timeline+"????????????????*")
	a.stop()
	t.Logf("pg_receivewal: %s", a.said.String())
}
