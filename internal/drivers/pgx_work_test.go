package drivers

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func (p *pgxClient) batch() error {
	p.run(10, func(b *pgx.Batch, i int) { b.Queue("select $1::int + 1, t from mine where i = $1", i+1) })
	p.run(6, func(b *pgx.Batch, i int) { b.Queue("insert into mine values ($1, $2)", 100+i%4, "of a batch") }) // fails, and all of it
	p.ask("select count(*) from mine where i >= 100")
	p.run(5, func(b *pgx.Batch, i int) {
		b.Queue([]string{"begin", "insert into mine values (200, 'b')", "select count(*) from mine", "rollback", "select count(*) from mine"}[i])
	})
	return nil
}

// run sends a batch of n statements and prints their answers.
func (p *pgxClient) run(n int, queue func(*pgx.Batch, int)) {
	var b pgx.Batch
	for i := range n {
		queue(&b, i)
	}
	p.print("a batch of %d", n)
	results := p.conn.SendBatch(p.ctx, &b)
	for range n {
		p.answer(results.Query())
	}
	if err := results.Close(); err != nil {
		p.fault(err)
	}
}

// pipeline sends four groups before it reads, one of which fails in its middle, and then one
// whose first answers it reads before it sends the rest.
func (p *pgxClient) pipeline() error {
	pipe := p.conn.PgConn().StartPipeline(p.ctx)
	queue := func(i int, sql string) { pipe.SendQueryParams(sql, [][]byte{fmt.Append(nil, i)}, nil, nil, nil) }
	for group := range 4 {
		for i := range 5 {
			if group == 2 && i == 2 {
				queue(i, "select $1::int / 0, null::text")
			}
			queue(i+1, "select $1::int * 2, (select t from mine where i = $1)")
		}
		pipe.SendPipelineSync()
	}
	if err := pipe.Flush(); err != nil {
		return err
	}
	for range 4 {
		for p.result(pipe) {
		}
	}
	queue(7, "select $1::int")
	queue(8, "select $1::int")
	pipe.SendFlushRequest()
	if err := pipe.Flush(); err != nil {
		return err
	}
	p.result(pipe)
	p.result(pipe)
	queue(9, "select $1::int")
	if err := pipe.Sync(); err != nil {
		return err
	}
	for p.result(pipe) {
	}
	return pipe.Close()
}

// result prints the next answer in a pipeline, and reports whether it was none to a Sync.
func (p *pgxClient) result(pipe *pgconn.Pipeline) bool {
	results, err := pipe.GetResults()
	switch r := results.(type) {
	case nil:
		p.fault(err)
		return err != nil
	case *pgconn.PipelineSync:
		p.print("sync")
		return false
	case *pgconn.ResultReader:
		result := r.Read()
		if result.Err != nil {
			p.fault(result.Err)
			return true
		}
		p.print("%s %q", result.CommandTag, result.Rows)
	}
	return true
}

func (p *pgxClient) copy() error {
	p.ask("create table copied (i int primary key, t text)")
	n, err := p.conn.CopyFrom(p.ctx, pgx.Identifier{"copied"}, []string{"i", "t"}, pgx.CopyFromSlice(500, func(i int) ([]any, error) {
		return []any{i, fmt.Sprintf("line %d of %d", i, p.number)}, nil
	}))
	p.print("%d %v", n, err)
	p.ask("select count(*), sum(i), min(t) from copied")
	pg := p.conn.PgConn()
	hash := md5.New()
	tag, err := pg.CopyTo(p.ctx, hash, "copy copied to stdout")
	p.print("%v %v %x", tag, err, hash.Sum(nil))
	_, err = pg.CopyFrom(p.ctx, strings.NewReader("1000\tgood\nbad\tnot a number\n"), "copy copied from stdin")
	p.fault(err)
	_, err = pg.CopyFrom(p.ctx, strings.NewReader(strings.Repeat("7\ttwice\n", 20)), "copy copied from stdin")
	p.fault(err)
	_, err = pg.CopyFrom(p.ctx, io.MultiReader(strings.NewReader("1001\tgood\n"), brokenReader{}), "copy copied from stdin")
	p.fault(err)
	_, err = pg.CopyTo(p.ctx, io.Discard, "copy (select 1 / (i - 400) from copied order by i) to stdout")
	p.fault(err)
	p.ask("select count(*) from copied")
	p.ask("begin")
	_, err = pg.CopyFrom(p.ctx, strings.NewReader("1002\tin a transaction\n"), "copy copied from stdin")
	p.print("%v", err)
	p.ask("rollback")
	p.ask("select count(*) from copied")
	return nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the source is broken") }

func (p *pgxClient) large() error {
	rows, err := p.conn.Query(p.ctx, p.largeResult())
	if err != nil {
		return err
	}
	hash, n, size := md5.New(), 0, 0
	for rows.Next() {
		n++
		for _, raw := range rows.RawValues() {
			size += len(raw)
			hash.Write(raw)
		}
	}
	p.print("%d rows, %d bytes, %x, %v", n, size, hash.Sum(nil), rows.Err())
	rows, err = p.conn.Query(p.ctx, p.largeResult())
	if err != nil {
		return err
	}
	rows.Next()
	rows.Close() // throws the rest away
	p.ask("select octet_length($1::text)", p.largeValue())
	return rows.Err()
}

func (p *pgxClient) transactions() error {
	tx, err := p.conn.Begin(p.ctx)
	if err != nil {
		return err
	}
	p.ask("insert into mine values (300, 'outer')")
	inner, err := tx.Begin(p.ctx)
	if err != nil {
		return err
	}
	p.ask("insert into mine values (300, 'twice')")
	if err := inner.Rollback(p.ctx); err != nil {
		return err
	}
	p.ask("select count(*) from mine where i = 300")
	p.print("%v", tx.Commit(p.ctx))
	tx, err = p.conn.BeginTx(p.ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.Serializable})
	if err != nil {
		return err
	}
	p.ask("delete from mine where i = 300")
	p.print("%v", tx.Commit(p.ctx)) // of a transaction that has failed
	p.ask("delete from mine where i = 300")
	return nil
}

// sleep tells when it has begun, so that what cancels it comes neither too early nor late.
const sleep = "do $$ begin raise notice 'begun'; perform pg_sleep(300); end $$"

func (p *pgxClient) cancel() error {
	for range 2 {
		done := make(chan error, 1)
		go func() {
			<-p.begun
			done <- p.conn.PgConn().CancelRequest(p.ctx)
		}()
		_, err := p.conn.Exec(p.ctx, sleep)
		p.fault(err)
		if err := <-done; err != nil {
			return err
		}
		p.ask("select 'goes on'")
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	go func() { <-p.begun; cancel() }()
	_, err := p.conn.Exec(ctx, sleep)
	p.fault(err)
	p.ask("begin")
	p.ask("set local statement_timeout = 10")
	p.ask("select pg_sleep(300)")
	p.ask("rollback")
	p.ask("select 'goes on', $1::int", p.number)
	return nil
}

func (p *pgxClient) largeObjects() error {
	tx, err := p.conn.Begin(p.ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(p.ctx) }()
	all := tx.LargeObjects()
	oid, err := all.Create(p.ctx, 0)
	if err != nil {
		return err
	}
	object, err := all.Open(p.ctx, oid, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
	if err != nil {
		return err
	}
	if _, err := object.Write([]byte(strings.Repeat(fmt.Sprint("object of ", p.number), max(20, p.amount()/18)))); err != nil {
		return err
	}
	if _, err := object.Seek(0, io.SeekStart); err != nil {
		return err
	}
	text, err := io.ReadAll(object)
	p.print("%d %x %v %v", len(text), md5.Sum(text), err, all.Unlink(p.ctx, oid))
	return tx.Commit(p.ctx)
}

// ownNotifications knows by the process ID whether a notification comes from itself.
func (p *pgxClient) ownNotifications() error {
	p.ask("listen news")
	p.ask("notify news")
	for {
		n, err := p.conn.WaitForNotification(p.ctx)
		if err != nil {
			return err
		}
		if n.PID == p.conn.PgConn().PID() { // others come from other clients
			p.print("from oneself")
			p.ask("unlisten news")
			return nil
		}
	}
}

func (p *pgxClient) notify() error {
	channel := fmt.Sprintf("channel_%d", p.number)
	p.ask("listen " + channel)
	p.ask("notify " + channel + ", 'to oneself'")
	if err := p.notification(); err != nil {
		return err
	}
	other, err := p.connect(p.conn.Config().DefaultQueryExecMode)
	if err != nil {
		return err
	}
	defer other.Close(p.ctx)
	for i := range 3 {
		if _, err := other.Exec(p.ctx, "select pg_notify($1, $2)", channel, fmt.Sprintf("number %d to %d", i, p.number)); err != nil {
			return err
		}
	}
	for range 3 {
		if err := p.notification(); err != nil {
			return err
		}
	}
	p.ask("begin")
	p.ask("notify " + channel + ", 'rolled back'")
	p.ask("rollback")
	p.ask("begin")
	p.ask("notify " + channel + ", 'in a transaction'")
	p.ask("notify " + channel + ", 'in a transaction'")
	p.ask("commit")
	if err := p.notification(); err != nil {
		return err
	}
	p.ask("unlisten " + channel)
	p.ask("notify " + channel + ", 'to nobody'")
	p.ask("listen " + channel)
	p.ask("notify " + channel + ", 'the last'")
	return p.notification()
}

// notification waits for one and prints it.
func (p *pgxClient) notification() error {
	n, err := p.conn.WaitForNotification(p.ctx)
	if err != nil {
		return err
	}
	p.print("%s %q", n.Channel, n.Payload)
	return nil
}
