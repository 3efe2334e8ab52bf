package drivers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// pgxPrograms are the same program in each of pgx's modes of running a query.
func pgxPrograms() (all []program) {
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		name := "pgx_" + strings.ReplaceAll(mode.String(), " ", "_")
		all = append(all, program{name: name, run: func(ctx context.Context, c *client) error { return runPgx(ctx, c, mode) }})
	}
	return all
}

// pgxClient is a client with its connection.
type pgxClient struct {
	*client
	ctx   context.Context
	conn  *pgx.Conn
	begun chan struct{} // has one for each notice that a statement has begun
}

func runPgx(ctx context.Context, c *client, mode pgx.QueryExecMode) error {
	p := &pgxClient{client: c, ctx: ctx, begun: make(chan struct{}, 1)}
	var err error
	if p.conn, err = p.connect(mode); err != nil {
		return err
	}
	defer p.conn.Close(ctx)
	p.statements("setup")
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"settings", p.script("settings")}, {"datestyle", p.script("datestyle")}, {"reset", p.script("reset")}, {"role", p.script("role")},
		{"prepared", p.prepared}, {"replan", p.replan}, {"batch", p.batch}, {"pipeline", p.pipeline},
		{"copy", p.copy}, {"large", p.large}, {"errors", p.script("errors")}, {"savepoints", p.script("savepoints")},
		{"transactions", p.transactions}, {"cancel", p.cancel}, {"large objects", p.largeObjects},
		{"sqlprepare", p.script("sqlprepare")}, {"notify", p.notify}, {"own notifications", p.ownNotifications}, {"temp", p.script("temp")},
		{"hold", p.script("hold")}, {"advisory", p.script("advisory")},
	} {
		if err := c.section(s.name, func() error { defer p.statements("state"); return s.run() }); err != nil {
			return err
		}
	}
	return nil
}

func (p *pgxClient) connect(mode pgx.QueryExecMode) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(p.dsn(p.given()))
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = mode
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Message == "begun" {
			p.begun <- struct{}{}
		}
	}
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: patience}
	}
	return pgx.ConnectConfig(p.ctx, config)
}

func (p *pgxClient) script(name string) func() error {
	return func() error { p.statements(name); return nil }
}

func (p *pgxClient) statements(name string) {
	for _, sql := range p.client.script(name) {
		p.ask(sql)
	}
}

// ask runs a statement in the connection's mode and prints what comes.
func (p *pgxClient) ask(sql string, args ...any) {
	p.print("%s %.60s", sql, fmt.Sprint(args...))
	rows, err := p.conn.Query(p.ctx, sql, args...)
	p.answer(rows, err)
}

func (p *pgxClient) answer(rows pgx.Rows, err error) {
	if err == nil {
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				p.print("! %v", err)
			}
			p.print("%v", values)
		}
		rows.Close()
		err = rows.Err()
	}
	if err != nil {
		p.fault(err)
		return
	}
	p.print("%v", rows.CommandTag())
}

// fault prints an error, by what PostgreSQL says of it.
func (p *pgxClient) fault(err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		p.print("! %s %s %s: %s|%s|%s", pg.Severity, pg.Code, pg.Message, pg.Detail, pg.Hint, pg.ConstraintName)
		return
	}
	p.print("! %v", err)
}

func (p *pgxClient) prepared() error {
	pg := p.conn.PgConn()
	for _, text := range []string{"select $1::int * 10, i, t from mine where i = $1", fmt.Sprintf("select $1::text || ' of %d'", p.number)} {
		sd, err := p.conn.Prepare(p.ctx, "ours", text)
		if err != nil {
			return err
		}
		p.print("%s: %v -> %d columns, the first %s of type %d", sd.Name, sd.ParamOIDs, len(sd.Fields), sd.Fields[0].Name, sd.Fields[0].DataTypeOID)
		for i := range 8 {
			if sd.ParamOIDs[0] == 23 {
				p.ask("ours", i+1)
			} else {
				p.ask("ours", fmt.Sprint("run ", i))
			}
		}
		if err := p.conn.Deallocate(p.ctx, "ours"); err != nil {
			return err
		}
	}
	p.parsedUnderSettings()
	_, err := pg.Prepare(p.ctx, "twice", "select 1", nil)
	p.print("%v", err)
	_, err = pg.Prepare(p.ctx, "twice", "select 2", nil)
	p.fault(err)
	p.fault(pg.ExecPrepared(p.ctx, "unknown", nil, nil, nil).Read().Err)
	_, err = pg.Prepare(p.ctx, "wrong", "select no_such_column from mine", nil)
	p.fault(err)
	p.fault(pg.ExecPrepared(p.ctx, "wrong", nil, nil, nil).Read().Err)
	for i := range 40 {
		if _, err := p.conn.Prepare(p.ctx, fmt.Sprint("many", i), fmt.Sprintf("select %d + $1::int, %d", i, p.number)); err != nil {
			return err
		}
	}
	p.ask("begin")
	for i := range 40 {
		p.ask(fmt.Sprint("many", 39-i), i)
		if i%10 == 9 {
			p.ask("commit")
			p.ask("begin")
		}
	}
	p.ask("rollback")
	return p.conn.DeallocateAll(p.ctx)
}

// parsedUnderSettings runs statements whose text is every client's, and whose literals mean
// what they do under the settings of the client that has parsed them, when it did.
func (p *pgxClient) parsedUnderSettings() {
	const at, on = "select extract(epoch from '2024-07-01 12:00'::timestamptz)::int8, $1::int", "select '10/08/2024'::date::text, $1::int"
	style := []string{"ISO, DMY", "ISO, MDY"}
	for i := range 4 {
		p.ask(fmt.Sprintf("set datestyle = '%s'", style[(p.number+i)%2]))
		p.ask(at, i)
		p.ask(on, i)
	}
	p.ask("set datestyle = 'ISO, MDY'")
}

// replan changes a table below a statement. pgx finds out by an error, at most one.
func (p *pgxClient) replan() error {
	p.ask("create table growing as select 1 as a")
	const sql = "select * from growing where a = $1"
	for i := range 3 {
		if i > 0 {
			p.ask(fmt.Sprintf("alter table growing add column b%d int default %d", i, p.number))
		}
		for range 3 {
			p.print("%s", sql)
			rows, err := p.conn.Query(p.ctx, sql, 1)
			if err == nil {
				rows.Close()
				err = rows.Err()
			}
			if err != nil && lastColumns(p.ctx, p.conn, sql) != nil {
				return err
			}
			p.ask(sql, 1)
		}
	}
	return nil
}

// lastColumns runs a statement once more and throws its answer away.
func lastColumns(ctx context.Context, conn *pgx.Conn, sql string) error {
	rows, err := conn.Query(ctx, sql, 1)
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}
