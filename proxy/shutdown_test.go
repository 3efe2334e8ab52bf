package proxy_test

import (
	"context"
	"net"
	"testing"
	"time"

	"portero/config"
)

// shutdown begins to stop the proxy and returns a channel that ends with it.
func (w *world) shutdown(limit time.Duration) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		w.proxy.Shutdown(ctx)
	}()
	return ended
}

func TestShutdownLetsTransactionsFinish(t *testing.T) {
	for _, m := range []string{"transaction", "session"} {
		t.Run(m, func(t *testing.T) {
			w := start(t, size(3), mode(m), loops(2))
			busy, idle, fresh := w.dial(), w.dial(), w.dial()
			if m == "session" {
				idle.ask(answer, q("select 1")) // it keeps a server
				fresh.conn.Close()
			}
			busy.ask("C(BEGIN) Z(T)", q("begin"))
			ended := w.shutdown(patience)
			idle.expect("E(FATAL_57P01)")
			idle.ended()
			if conn, err := net.Dial("tcp", w.address()); err == nil {
				conn.Close()
				t.Error("it still accepts")
			}
			busy.ask("T D(1) C(SELECT_1) Z(T)", q("select 1"))
			busy.ask("C(COMMIT) Z(I) E(FATAL_57P01)", q("commit"))
			busy.ended()
			<-ended
		})
	}
}

func TestShutdownEndsClientsThatWait(t *testing.T) {
	w := start(t, size(1))
	holder, r := w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	r.send(q("select 1"))
	eventually(t, "in the queue", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
	ended := w.shutdown(patience)
	r.expect("E(FATAL_57P01)")
	holder.ask("C(COMMIT) Z(I) E(FATAL_57P01)", q("commit"))
	<-ended
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	w := start(t, limits(func(p *config.Pool) { p.ClientLoginTimeout = time.Minute }))
	r := w.dial()
	r.ask("C(BEGIN) Z(T)", q("begin"))
	sleeper := w.dial()
	sleeper.send(q("select pg_sleep(60)"))
	silent := w.plug()
	eventually(t, "a login in flight", func() bool { return w.process.LoginsInFlight.Load() == 1 })
	<-w.shutdown(50 * time.Millisecond)
	r.ended()
	sleeper.ended()
	silent.ended()
	superuser(t, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app' and wait_event = 'PgSleep'")
}

func TestAClientThatIsCutInABlockIsTold(t *testing.T) {
	w := start(t)
	idle, inBlock := w.dial(), w.dial()
	inBlock.ask("C(BEGIN) Z(T)", q("begin"))
	w.close()
	idle.expect("E(FATAL_57P01)")
	inBlock.expect("E(FATAL_57P01)")
	idle.ended()
	inBlock.ended()
}
