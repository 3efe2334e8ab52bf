package proxy_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// bystander is a client of the same process that minds its own business while
// others attack: it asks all the time and must be answered each time.
type bystander struct {
	t     testing.TB
	w     *world
	conn  *pgconn.PgConn
	asked atomic.Int64
	stop  context.CancelFunc
	ended chan error
}

// bystand lets a bystander in by a connection string; leave must be called.
func (w *world) bystand(dsn string) *bystander {
	w.t.Helper()
	b := &bystander{t: w.t, w: w, conn: must(pgconn.Connect(bounded(w.t), dsn))(w.t), ended: make(chan error, 1)}
	if err := b.ask(); err != nil {
		w.t.Fatalf("before the attack: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go b.run(ctx)
	return b
}

func (b *bystander) run(ctx context.Context) {
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			b.ended <- nil
			return
		case <-pace.C:
		}
		if err := b.ask(); err != nil {
			b.ended <- err
			return
		}
	}
}

// ask takes what a bystander under attack may take, and no more.
func (b *bystander) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n := b.asked.Add(1)
	results, err := b.conn.Exec(ctx, fmt.Sprint("select ", n, ", pg_sleep(0.001)")).ReadAll()
	if err != nil {
		return err
	}
	if got := string(results[0].Rows[0][0]); got != fmt.Sprint(n) {
		return fmt.Errorf("asked for %d, got %s", n, got)
	}
	return nil
}

// served waits until the bystander has asked and been answered once more.
func (b *bystander) served(t testing.TB) {
	t.Helper()
	n := b.asked.Load()
	eventually(t, "the bystander is served", func() bool {
		select {
		case err := <-b.ended:
			b.ended <- err
			t.Fatalf("the bystander: %v", err)
		default:
		}
		return b.asked.Load() >= n+2
	})
}

// leave ends it, and expects that nothing of the attack is left behind: no
// login under way, and no client. Goroutines and descriptors are counted at
// the end of the test.
func (b *bystander) leave() {
	b.t.Helper()
	b.served(b.t)
	b.stop()
	if err := <-b.ended; err != nil {
		b.t.Fatalf("the bystander: %v", err)
	}
	eventually(b.t, "the attackers are gone", func() bool {
		return b.w.process.LoginsInFlight.Load() == 0 && b.w.proxy.Clients() == 1
	})
	if err := b.conn.Close(bounded(b.t)); err != nil {
		b.t.Errorf("the bystander leaves: %v", err)
	}
}
