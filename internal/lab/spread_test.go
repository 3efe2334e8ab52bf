package lab

import (
	"slices"
	"testing"
)

// TestARowInDoubtIsLookedForInAllHomes has a row in the second of two databases.
func TestARowInDoubtIsLookedForInAllHomes(t *testing.T) {
	ctx := needServers(t)
	p := PostgresForTest(t, PostgresOptions{SQL: []string{
		"create role app superuser login", "create database first owner app", "create database second owner app",
	}})
	var homes []string
	for _, database := range []string{"first", "second"} {
		home := p.DSN("app", "", database)
		if err := RunSQL(ctx, home, WriterTable...); err != nil {
			t.Fatal(err)
		}
		homes = append(homes, home)
	}
	if err := RunSQL(ctx, homes[1], "insert into written values (0, 7, 1)"); err != nil {
		t.Fatal(err)
	}
	w := &writer{homes: homes}
	for row, want := range map[int]bool{7: true, 8: false} {
		if there, err := w.look(ctx, row); err != nil || there != want {
			t.Errorf("row %d is there: %v, %v", row, there, err)
		}
	}
	// One that is away may have it.
	w.homes = append(slices.Clone(homes[:1]), "postgres://app@"+AddressForTest(t)+"/third?sslmode=disable")
	if there, err := w.look(ctx, 8); there || err == nil {
		t.Errorf("a home that is away: %v, %v", there, err)
	}

	ledger := Ledger{{Acked: make([]Ack, 7)}}
	if err := RunSQL(ctx, homes[0], "insert into written select 0, n, 1 from generate_series(1, 5) n", "insert into written values (0, 5, 2)"); err != nil {
		t.Fatal(err)
	}
	audit, err := ledger.Audit(ctx, homes...)
	if err != nil || len(audit.Lost) != 1 || len(audit.Twice) != 1 {
		t.Errorf("%d lost and %d twice, %v; want row 6 and row 5", len(audit.Lost), len(audit.Twice), err)
	}
	// The same row in two databases is there twice.
	if err := RunSQL(ctx, homes[1], "insert into written values (0, 4, 1)"); err != nil {
		t.Fatal(err)
	}
	if audit, err = ledger.Audit(ctx, homes...); err != nil || len(audit.Twice) != 2 {
		t.Errorf("%d twice, %v; want rows 4 and 5", len(audit.Twice), err)
	}
}
