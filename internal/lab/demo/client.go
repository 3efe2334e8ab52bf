package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// client is one connection, used by one goroutine at a time.
type client struct{ *pgconn.PgConn }

// dial connects; the address may be Portero's or a member's.
func dial(ctx context.Context, dsn string) (*client, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &client{conn}, nil
}

// exec runs SQL by the simple protocol and returns the first value and the last command tag.
func (c *client) exec(ctx context.Context, sql string) (value, tag string, err error) {
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", "", err
	}
	for _, result := range results {
		if value == "" && len(result.Rows) > 0 {
			value = string(result.Rows[0][0])
		}
		tag = result.CommandTag.String()
	}
	return value, tag, nil
}

// run runs one statement by the extended protocol.
func (c *client) run(ctx context.Context, sql string, args ...string) error {
	values := make([][]byte, len(args))
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	_, err := c.ExecParams(ctx, sql, values, nil, nil, nil).Close()
	return err
}

// errRolledBack says that COMMIT was answered by ROLLBACK.
var errRolledBack = errors.New("the transaction was rolled back")

// sqlState is an error's SQLSTATE, or a word when the server said nothing.
func sqlState(err error) string {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg):
		return pg.Code
	case errors.Is(err, errRolledBack):
		return "rollback"
	}
	return "cut"
}
