package lab

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Client is one connection to Portero or to a server. It is for one goroutine at a time.
type Client struct{ *pgconn.PgConn }

// Dial connects; the caller hangs up.
func Dial(ctx context.Context, dsn string) (*Client, error) {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	return &Client{conn}, nil
}

// Ask runs SQL by the simple protocol. The answer is the first value, or the last command tag
// if there is none.
func (c *Client) Ask(ctx context.Context, sql string) (string, error) {
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	return firstValue(results...), nil
}

// AskExtended runs one statement by the extended protocol, with parameters as text.
func (c *Client) AskExtended(ctx context.Context, sql string, args ...string) (string, error) {
	result := c.ExecParams(ctx, sql, texts(args), nil, nil, nil).Read()
	return firstValue(result), result.Err
}

// AskPrepared runs a statement that has been prepared under a name, with parameters as text.
func (c *Client) AskPrepared(ctx context.Context, name string, args ...string) (string, error) {
	result := c.ExecPrepared(ctx, name, texts(args), nil, nil).Read()
	return firstValue(result), result.Err
}

func texts(args []string) [][]byte {
	values := make([][]byte, len(args))
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	return values
}

func firstValue(results ...*pgconn.Result) string {
	tag := ""
	for _, r := range results {
		if len(r.Rows) > 0 {
			return string(r.Rows[0][0])
		}
		tag = r.CommandTag.String()
	}
	return tag
}

// Expect fails the test unless the answer to SQL is as wanted.
func (c *Client) Expect(t TB, sql, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if got, err := c.Ask(ctx, sql); err != nil || got != want {
		t.Errorf("%s: %q, %v; want %q", sql, got, err, want)
	}
}

// HangUp ends the connection, in good order if it can be done soon.
func (c *Client) HangUp() {
	soon, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(soon) // it may have been cut
}

// Cut is what SQLState says of an error for which no server has given a reason.
const Cut = "cut"

// SQLState is the SQLSTATE of an error, or Cut.
func SQLState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return Cut
}
