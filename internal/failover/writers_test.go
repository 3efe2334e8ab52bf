package failover

import (
	"context"
	"slices"
	"testing"
	"time"

	"portero/internal/lab"
)

// survivable are the errors of a failover that a client can handle on its living connection.
var survivable = []string{"08006", "08007", "25P02"}

// startWriters starts n writers. They must be asked to stop while the cluster is there.
func (s *scene) startWriters(t *testing.T, n int) {
	t.Helper()
	s.writers = lab.StartWriters(t.Context(), n, s.dsn("app"))
	t.Cleanup(func() {
		soon, cancel := context.WithTimeout(context.Background(), lab.Patience)
		defer cancel()
		s.writers.Stop(soon)
	})
	s.goOn(t)
}

// goOn waits until each writer has had some more rows acknowledged, and holds that none has
// been told of anything but a failover, on the connection that it has had from the beginning.
func (s *scene) goOn(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	err := s.writers.GoOn(ctx, 10)
	told, reconnects := s.writers.Ledger().Troubles(time.Time{}, time.Now())
	for code, n := range told {
		if !slices.Contains(survivable, code) {
			t.Fatalf("writers were told %s, %d times", code, n)
		}
	}
	if reconnects > 0 {
		t.Fatalf("writers had to connect anew %d times", reconnects)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// toldSince is what the writers were told.
func (s *scene) toldSince(began time.Time) map[string]int {
	told, _ := s.writers.Ledger().Troubles(began, time.Now())
	return told
}

// check is what must hold after every event.
func (s *scene) check(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	ledger := s.writers.Ledger()
	a, err := ledger.Audit(ctx, s.leader(t).SuperuserDSN("app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows acknowledged", ledger.Acknowledged())
	if len(a.Lost) > 0 || len(a.Twice) > 0 {
		t.Errorf("of %d acknowledged rows %d are lost and %d are there twice", ledger.Acknowledged(), len(a.Lost), len(a.Twice))
	}
	for _, fault := range ledger.Unfenced() {
		t.Error(fault)
	}
	if n, err := s.idle.Survivors(ctx); n < idleClients {
		t.Errorf("only %d of %d idle clients are answered: %v", n, idleClients, err)
	}
	lab.Eventually(t, "ready", func() error { return s.is(200) })
}
