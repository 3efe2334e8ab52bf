package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// errConnectQuery marks what goes wrong with connect_query. It is the operator's
// to mend, and no refusal of the login: who waits goes on waiting.
var errConnectQuery = errors.New("connect_query failed")

// introduce runs connect_query on a server that has proved itself. What it
// reports goes to the account.
func (p *Pool) introduce(ctx context.Context, e *entered, said *account) error {
	if p.terms().ConnectQuery == "" { // as for those who replicate
		return nil
	}
	e.conn.SetDeadline(time.Now().Add(p.owner.limits().ServerConnectTimeout)) //nolint:errcheck // a closed connection fails at its first use
	if err := ctx.Err(); err != nil {
		return err // the deadline that hurries us was set before ours
	}
	if err := e.stream.Write(&pgproto3.Query{String: p.terms().ConnectQuery}); err != nil {
		return err
	}
	var failed error
	for {
		f, err := e.stream.Read(1 << 20)
		if err != nil {
			return err
		}
		switch f.Type {
		case 'S':
			if name, value, ok := wire.ParameterStatus(f.Body); ok {
				said.report(name, value)
			}
		case 'E': // in words only: it is not about the login
			failed = fmt.Errorf("%w: %s", errConnectQuery, wire.ParseError(f.Body).Error())
		case 'G', 'H', 'W':
			return fmt.Errorf("%w: it must not be a COPY", errConnectQuery)
		case 'Z':
			if failed == nil && string(f.Body) != "I" {
				return fmt.Errorf("%w: it leaves a transaction open", errConnectQuery)
			}
			return failed
		}
	}
}
