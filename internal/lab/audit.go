package lab

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// WriterTable makes, run by a superuser, the table that Writers write to as role app. It has
// no unique constraint: a row that is written twice must be there twice.
var WriterTable = []string{
	"create table written (writer int, seq bigint)",
	"create index on written (writer, seq)",
	"alter table written owner to app",
}

// Audit is what a server has of the rows that were acknowledged.
type Audit struct {
	Lost  []Ack // it does not have
	Twice []Ack // it has more than once
}

// Audit compares the ledger with the table at dsn.
func (l Ledger) Audit(ctx context.Context, dsn string) (Audit, error) {
	there, err := rowsThere(ctx, dsn)
	if err != nil {
		return Audit{}, err
	}
	var found Audit
	for i, account := range l {
		for j, ack := range account.Acked {
			switch n := there[row{i, j + 1}]; {
			case n == 0:
				found.Lost = append(found.Lost, ack)
			case n > 1:
				found.Twice = append(found.Twice, ack)
			}
		}
	}
	return found, nil
}

type row struct{ writer, seq int }

// rowsThere is how often each row is in the table.
func rowsThere(ctx context.Context, dsn string) (map[row]int, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select writer, seq, count(*) from written group by writer, seq")
	if err != nil {
		return nil, err
	}
	there := make(map[row]int)
	var r row
	var n int
	_, err = pgx.ForEachRow(rows, []any{&r.writer, &r.seq, &n}, func() error {
		there[r] = n
		return nil
	})
	return there, err
}
