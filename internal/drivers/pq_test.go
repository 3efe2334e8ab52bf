package drivers

import (
	"context"
	"crypto/md5"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// pqClient is a client of lib/pq with its one connection.
type pqClient struct {
	*client
	ctx   context.Context
	conn  *sql.Conn
	begun chan struct{} // has one for each notice that a statement has begun
}

func runPQ(ctx context.Context, c *client) error {
	p := &pqClient{client: c, ctx: ctx, begun: make(chan struct{}, 1)}
	conn, hangUp, err := p.connect()
	if err != nil {
		return err
	}
	defer hangUp()
	p.conn = conn
	p.statements("setup")
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"settings", p.script("settings")}, {"datestyle", p.script("datestyle")}, {"reset", p.script("reset")}, {"role", p.script("role")},
		{"parameters", p.parameters}, {"several", p.several}, {"prepared", p.prepared}, {"replan", p.replan}, {"copy", p.copy},
		{"large", p.large}, {"errors", p.script("errors")}, {"savepoints", p.script("savepoints")},
		{"transactions", p.transactions}, {"cancel", p.cancel}, {"sqlprepare", p.script("sqlprepare")},
		{"notify", p.notify}, {"temp", p.script("temp")}, {"hold", p.script("hold")}, {"advisory", p.script("advisory")},
	} {
		if err := c.section(s.name, func() error { defer p.statements("state"); return s.run() }); err != nil {
			return err
		}
	}
	return nil
}

func (p *pqClient) connect() (*sql.Conn, func(), error) {
	connector, err := pq.NewConnector(p.dsn(p.given()))
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(pq.ConnectorWithNoticeHandler(connector, func(n *pq.Error) {
		if n.Message == "begun" {
			p.begun <- struct{}{}
		}
	}))
	conn, err := db.Conn(p.ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return conn, func() { _, _ = conn.Close(), db.Close() }, nil
}

func (p *pqClient) script(name string) func() error {
	return func() error { p.statements(name); return nil }
}

func (p *pqClient) statements(name string) {
	for _, text := range p.client.script(name) {
		p.ask(text)
	}
}

// ask runs a statement and prints what comes.
func (p *pqClient) ask(text string, args ...any) {
	p.print("%s %.60s", text, fmt.Sprint(args...))
	p.answer(p.conn.QueryContext(p.ctx, text, args...))
}

func (p *pqClient) answer(rows *sql.Rows, err error) {
	if err != nil {
		p.fault(err)
		return
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		p.fault(err)
		return
	}
	values := make([]sql.NullString, len(columns))
	pointers := make([]any, len(columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			p.fault(err)
			return
		}
		p.print("%v", values)
	}
	if err := rows.Err(); err != nil {
		p.fault(err)
		return
	}
	p.print("%q", columns)
}

// fault prints an error, by what PostgreSQL says of it.
func (p *pqClient) fault(err error) {
	var pg *pq.Error
	if errors.As(err, &pg) {
		p.print("! %s %s %s: %s|%s|%s", pg.Severity, pg.Code, pg.Message, pg.Detail, pg.Hint, pg.Constraint)
		return
	}
	p.print("! %v", err)
}

func (p *pqClient) parameters() error {
	for i := range 5 {
		p.ask("select t, $2::text from mine where i = $1", i+1, fmt.Sprint("of ", p.number))
		p.ask("select $1::int / $2", p.number, i-2)
	}
	p.ask("insert into mine values ($1, 'twice')", 1)
	return nil
}

// several are statements in one query, all that lib/pq has of a batch.
func (p *pqClient) several() error {
	for _, text := range []string{
		"select 1; select t from mine where i = 2; update mine set t = t where i < 4; select 'the last'",
		"insert into mine values (50, 'undone with the rest'); select 1 / 0; select 'never'",
		"begin; insert into mine values (51, 'committed'); commit; select count(*) from mine where i >= 50",
		"delete from mine where i >= 50; set work_mem = '7MB'; show work_mem; reset work_mem",
	} {
		p.print("%s", text)
		rows, err := p.conn.QueryContext(p.ctx, text)
		if err != nil {
			p.fault(err)
			continue
		}
		for more := true; more; more = rows.NextResultSet() {
			for rows.Next() {
				var value sql.NullString
				p.print("%v %v", rows.Scan(&value), value)
			}
			p.print("%v", rows.Err())
		}
		if err := rows.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pqClient) prepared() error {
	var all []*sql.Stmt
	for i := range 10 {
		stmt, err := p.conn.PrepareContext(p.ctx, fmt.Sprintf("select %d, i, t from mine where i = $1", i))
		if err != nil {
			return err
		}
		all = append(all, stmt)
	}
	p.ask("begin")
	for round := range 3 {
		for i, stmt := range all {
			p.answer(stmt.QueryContext(p.ctx, (i+round)%10+1))
			if i%4 == 3 {
				p.ask("commit")
				p.ask("begin")
			}
		}
	}
	p.ask("commit")
	for _, stmt := range all {
		if err := stmt.Close(); err != nil {
			return err
		}
	}
	_, err := p.conn.PrepareContext(p.ctx, "select no_such_column from mine")
	p.fault(err)
	return nil
}

// replan changes a table below a statement, and prepares it again.
func (p *pqClient) replan() error {
	p.ask("create table growing as select 1 as a")
	for i := range 3 {
		stmt, err := p.conn.PrepareContext(p.ctx, "select * from growing where a = $1")
		if err != nil {
			return err
		}
		p.answer(stmt.QueryContext(p.ctx, 1))
		p.answer(stmt.QueryContext(p.ctx, 2))
		if err := stmt.Close(); err != nil {
			return err
		}
		p.ask(fmt.Sprintf("alter table growing add column b%d int default %d", i, p.number))
	}
	return nil
}

func (p *pqClient) copy() error {
	p.ask("create table copied (i int primary key, t text)")
	p.print("%v", p.copyIn(500, func(i int) any { return i }))
	p.ask("select count(*), sum(i), max(t) from copied")
	if err := p.copyIn(20, func(int) any { return 7 }); err != nil {
		p.fault(err)
	}
	if err := p.copyIn(20, func(i int) any { return fmt.Sprint("no number ", i) }); err != nil {
		p.fault(err)
	}
	p.ask("select count(*), sum(i), max(t) from copied")
	return nil
}

// copyIn copies in a transaction, as lib/pq wants it.
func (p *pqClient) copyIn(n int, key func(int) any) (err error) {
	tx, err := p.conn.BeginTx(p.ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback()
		}
	}()
	//lint:ignore SA1019 what many programs use
	stmt, err := tx.PrepareContext(p.ctx, pq.CopyIn("copied", "i", "t"))
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := stmt.ExecContext(p.ctx, key(i), fmt.Sprintf("line %d of %d", i, p.number)); err != nil {
			return err
		}
	}
	if _, err := stmt.ExecContext(p.ctx); err != nil {
		return err
	}
	return errors.Join(stmt.Close(), tx.Commit())
}

func (p *pqClient) large() error {
	rows, err := p.conn.QueryContext(p.ctx, p.largeResult())
	if err != nil {
		return err
	}
	defer rows.Close()
	hash, n := md5.New(), 0
	for rows.Next() {
		var i, text sql.RawBytes
		if err := rows.Scan(&i, &text); err != nil {
			return err
		}
		n++
		hash.Write(i)
		hash.Write(text)
	}
	p.print("%d rows, %x", n, hash.Sum(nil))
	if err := rows.Err(); err != nil {
		return err
	}
	p.ask("select octet_length($1::text)", p.largeValue())
	return nil
}

func (p *pqClient) transactions() error {
	tx, err := p.conn.BeginTx(p.ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	p.answer(tx.QueryContext(p.ctx, "show transaction_isolation"))
	p.answer(tx.QueryContext(p.ctx, "insert into mine values ($1, 'in a transaction')", 300))
	p.answer(tx.QueryContext(p.ctx, "insert into mine values ($1, 'twice')", 300))
	p.answer(tx.QueryContext(p.ctx, "select 'refused'"))
	if err := tx.Commit(); err != nil {
		p.print("%v", err)
	}
	p.ask("select count(*) from mine where i = 300")
	return nil
}

// cancel ends a statement of a second connection: lib/pq gives a connection up with it.
func (p *pqClient) cancel() error {
	conn, hangUp, err := p.connect()
	if err != nil {
		return err
	}
	defer hangUp()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	go func() { <-p.begun; cancel() }()
	_, err = conn.ExecContext(ctx, sleep)
	p.fault(err)
	p.ask("begin")
	p.ask("set local statement_timeout = 10")
	p.ask("select pg_sleep(300)")
	p.ask("rollback")
	p.ask("select 'goes on', $1::int", p.number)
	return nil
}

// notify listens by lib/pq's own listener, which has a connection for it.
func (p *pqClient) notify() error {
	channel := fmt.Sprintf("channel_%d", p.number)
	listener := pq.NewListener(p.dsn(p.given()), time.Second, time.Minute, nil)
	defer listener.Close()
	if err := listener.Listen(channel); err != nil {
		return err
	}
	if err := listener.Listen("second_" + channel); err != nil {
		return err
	}
	p.ask("notify " + channel + ", 'first'")
	p.ask("select pg_notify($1, $2)", "second_"+channel, fmt.Sprint("second of ", p.number))
	for range 2 {
		if err := p.notification(listener); err != nil {
			return err
		}
	}
	if err := errors.Join(listener.Unlisten(channel), listener.Ping()); err != nil {
		return err
	}
	p.ask("notify " + channel + ", 'to nobody'")
	p.ask("notify second_" + channel + ", 'the last'")
	return p.notification(listener)
}

func (p *pqClient) notification(l *pq.Listener) error {
	select {
	case n := <-l.Notify:
		if n == nil {
			return errors.New("the listener has lost its connection")
		}
		p.print("%s %q", n.Channel, n.Extra)
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
