package proxy_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portero/config"
	"portero/internal/lab"
)

// countOn has a client notify of 1, 2, 3 and so on until ctx ends, by a trigger, of which nobody
// can see that it notifies. It returns how many there were.
func countOn(ctx context.Context, conn *pgx.Conn, sent *atomic.Int64) error {
	for ctx.Err() == nil {
		if _, err := conn.Exec(context.Background(), "insert into counted values ($1)", strconv.FormatInt(sent.Load()+1, 10)); err != nil {
			return err
		}
		sent.Add(1)
	}
	return nil
}

// What our own clients send is heard by those who listen through us, whatever operators do to
// the servers meanwhile. The sender is of another pool than who listens.
func TestOrdersAndReloadsLoseNoNotification(t *testing.T) {
	for _, c := range []struct {
		name   string
		cycles int
		logged string
		order  func(w *world)
	}{
		{"PAUSE and RESUME", 12, "", func(w *world) {
			if err := w.pools.Pause(bounded(w.t), ""); err != nil {
				w.t.Error(err)
			}
			if err := w.pools.Resume(""); err != nil {
				w.t.Error(err)
			}
		}},
		{"RECONNECT", 12, "reason=reconnect", func(w *world) {
			if err := w.pools.Reconnect(""); err != nil {
				w.t.Error(err)
			}
		}},
		{"a reload", 12, "reason=reconfigured", func(w *world) {
			w.reload(func(c *config.Config) {
				c.Clusters = slices.Clone(c.Clusters)
				c.Clusters[0].Scope = strconv.Itoa(w.log.count(`msg="ear opened"`)) // as anything of a cluster
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, size(2), loops(2), func(c *config.Config) {
				other := c.Routes[0]
				other.Database, other.DBName, other.PoolMode = "counts", "app", "statement"
				c.Routes = append([]config.Route{other}, c.Routes...)
			})
			w.once("create table if not exists counted (n text);" +
				"create or replace function tells() returns trigger language plpgsql as $$ begin perform pg_notify('counted', new.n); return null; end $$;" +
				"create or replace trigger tells after insert on counted for each row execute function tells()")
			hearer, sender := w.pgx(), w.pgx("dbname=counts")
			if _, err := hearer.Exec(bounded(t), "listen counted"); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(bounded(t))
			var sent atomic.Int64
			done := make(chan error, 1)
			go func() { done <- countOn(ctx, sender, &sent) }()
			for range c.cycles {
				before := sent.Load()
				c.order(w)
				eventually(t, "who sends goes on", func() bool { return sent.Load() > before+2 })
			}
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			for i := range sent.Load() {
				n := must(hearer.WaitForNotification(bounded(t)))(t)
				if want := strconv.FormatInt(i+1, 10); n.Payload != want {
					t.Fatalf("of %d heard %s in place of %s", sent.Load(), n.Payload, want)
				}
			}
			said := func(line string) bool {
				return strings.Contains(line, `msg="ear closed"`) && strings.HasSuffix(line, c.logged)
			}
			if !slices.ContainsFunc(strings.Split(w.log.text(), "\n"), said) {
				t.Error("the log does not say why the ear was closed")
			}
			if n := w.log.count(`msg="ear opened"`); n != c.cycles+1 {
				t.Errorf("%d ears were opened in %d cycles", n, c.cycles)
			}
		})
	}
}

// Behind a RESUME nobody begins before who listens is heard for, but for a while only: then they
// go on, and who listens is told that something may have been missed.
func TestBehindAResumeClientsWaitForTheEarNotForEver(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		heard   bool
	}{{"until it listens", patience, true}, {"not for ever", 200 * time.Millisecond, false}} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, limits(func(p *config.Pool) { p.ServerConnectTimeout, p.QueryWaitNotify = c.timeout, 0 }))
			admits := func(n int) {
				t.Helper()
				if err := lab.RunSQL(bounded(t), postgres(t).SuperuserDSN("app"), "alter role listener connection limit "+strconv.Itoa(n)); err != nil {
					t.Fatal(err)
				}
			}
			hearer, sender := w.plug(), w.dial()
			hearer.login("user", "listener", "database", "app")
			hearer.query("listen news")
			hearer.query("listen portero_resumed")
			if err := w.pools.Pause(bounded(t), ""); err != nil {
				t.Fatal(err)
			}
			admits(0)
			defer admits(-1)
			sender.send(q("notify news, 'hello'"))
			if err := w.pools.Resume(""); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it cannot listen", func() bool { return w.log.count(`msg="ear not opened"`) > 2 })
			if c.heard {
				eventually(t, "who sends waits", func() bool { return w.waiting() == 1 })
				admits(-1)
			}
			sender.expect("C(NOTIFY) Z(I)")
			admits(-1)
			if hearer.hears("portero_resumed="); c.heard {
				hearer.hears("news=hello")
			}
			sender.query("notify news, 'again'")
			hearer.hears("news=again")
		})
	}
}
