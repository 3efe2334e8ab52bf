package lab

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

func dsn(address, user, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: address, Path: "/" + database}
	if password == "" {
		u.User = url.User(user)
	}
	u.RawQuery = "sslmode=disable"
	return u.String()
}

func superuserDSN(address, database string) string { return dsn(address, "postgres", "", database) }

// RunSQL runs statements one by one, each in its own transaction, over one connection.
func RunSQL(ctx context.Context, dsn string, statements ...string) error {
	if len(statements) == 0 {
		return nil
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// queryOne asks for one row of one column.
func queryOne[T any](ctx context.Context, dsn, query string) (T, error) {
	var value T
	ctx, cancel := limit(ctx, askLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return value, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, query, pgx.QueryExecModeSimpleProtocol).Scan(&value)
	return value, err
}

func answers(ctx context.Context, dsn string) error {
	_, err := queryOne[int](ctx, dsn, "select 1")
	return err
}
