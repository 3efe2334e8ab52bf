package lab

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// WriterTable makes, run by a superuser, the table that Writers write to as role app. It has
// no unique constraint: a row that is written twice must be there twice. Column begun is
// Attempt.Begun. Writers below 0 are not in a ledger.
var WriterTable = []string{
	"create table written (writer int, seq bigint, begun bigint)",
	"create index on written (writer, seq)",
	"alter table written owner to app",
}

// Audit is what a server has of the rows that were acknowledged.
type Audit struct {
	Lost  []Ack // it does not have
	Twice []Ack // it has more than once
	// Refused are attempts that it has although their writers were told that they had failed.
	Refused []Attempt
}

// Audit compares the ledger with the table at dsn, or with those at several, of which each row
// is to be in one.
func (l Ledger) Audit(ctx context.Context, dsns ...string) (Audit, error) {
	there := make(map[row][]int64)
	for _, dsn := range dsns {
		if err := addRows(ctx, dsn, there); err != nil {
			return Audit{}, err
		}
	}
	var found Audit
	for i, account := range l {
		for j, ack := range account.Acked {
			switch n := len(there[row{i, j + 1}]); {
			case n == 0:
				found.Lost = append(found.Lost, ack)
			case n > 1:
				found.Twice = append(found.Twice, ack)
			}
		}
		for _, a := range account.Refused {
			if slices.Contains(there[row{i, a.Row}], a.Begun) {
				found.Refused = append(found.Refused, a)
			}
		}
	}
	return found, nil
}

type row struct{ writer, seq int }

// addRows adds, for each row in the table, of which attempts it is.
func addRows(ctx context.Context, dsn string, there map[row][]int64) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select writer, seq, coalesce(begun, 0) from written where writer >= 0")
	if err != nil {
		return err
	}
	var r row
	var begun int64
	_, err = pgx.ForEachRow(rows, []any{&r.writer, &r.seq, &begun}, func() error {
		there[r] = append(there[r], begun)
		return nil
	})
	return err
}
