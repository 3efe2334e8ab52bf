package failover

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// client is one connection to Portero, used by one goroutine at a time.
type client struct{ *pgconn.PgConn }

func dial(ctx context.Context, dsn string) (*client, error) {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	return &client{conn}, nil
}

func mustDial(t testing.TB, dsn string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := dial(ctx, dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// ask runs SQL by the simple protocol; the answer is the first value, or the
// last command tag if there is none.
func (c *client) ask(ctx context.Context, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	return first(results...), nil
}

// askExtended does so by the extended protocol.
func (c *client) askExtended(ctx context.Context, sql string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	result := c.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	return first(result), result.Err
}

func first(results ...*pgconn.Result) string {
	tag := ""
	for _, r := range results {
		if len(r.Rows) > 0 {
			return string(r.Rows[0][0])
		}
		tag = r.CommandTag.String()
	}
	return tag
}

// state is an error's SQLSTATE; "cut" when the connection broke instead.
func state(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return "cut"
}

// expect fails the test unless the answer is as wanted.
func (c *client) expect(t testing.TB, sql, want string) {
	t.Helper()
	if got, err := c.ask(t.Context(), sql); err != nil || got != want {
		t.Errorf("%s: %q, %v; want %q", sql, got, err, want)
	}
}

// crowd is a number of clients that have been answered once and are idle since.
type crowd []*client

// gather starts to connect n clients and returns a channel that tells when
// they have all been answered.
func gather(t testing.TB, n int, dsn string) (crowd, <-chan error) {
	all := make(crowd, n)
	done := make(chan error, n)
	for i := range all {
		go func() {
			c, err := dial(t.Context(), dsn)
			if err == nil {
				var got string
				if got, err = c.ask(t.Context(), "select 42"); err == nil && got != "42" {
					err = fmt.Errorf("select 42 answered %q", got)
				}
			}
			all[i] = c
			done <- err
		}()
	}
	return all, done
}

// answer asks each again, on the connection that it has had since the beginning.
func (all crowd) answer(t testing.TB) {
	t.Helper()
	for i, c := range all {
		if got, err := c.ask(t.Context(), "select 42"); err != nil || got != "42" {
			t.Errorf("idle client %d: %q, %v", i, got, err)
		}
	}
}
