package proxy_test

import (
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// lent is how many servers clients have.
func (w *world) lent() (n int) {
	for _, s := range w.pools.States() {
		n += s.ServersActive
	}
	return n
}

// What comes behind while a server answers what settles is not for that server, which went to
// the client before all others, and beyond pool_size.
func TestWhatComesBehindWhatSettlesTakesItsTurn(t *testing.T) {
	const list = "SELECT gid FROM pg_prepared_xacts WHERE gid = 'none'"
	w := start(t, size(1))
	holder, c := w.dial(), w.dial()
	holder.holds()
	c.ask("T C(SELECT_0) Z(I)", q(list)) // opens a server of the reserve
	pid, err := strconv.Atoi(superuser(t, "select pid from pg_stat_activity where usename = 'app' and state = 'idle'"))
	if err != nil {
		t.Fatal(err)
	}
	for what, frames := range map[string]string{"a Query": "T C(SELECT_0) Z(I)", "a step": "1 2 T C(SELECT_0) Z(I)"} {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // its answer takes its time
			t.Fatal(err)
		}
		if what == "a Query" {
			c.send(q(list))
		} else {
			c.send(extended(list, &pgproto3.Sync{})...)
		}
		eventually(t, what+" is at a server", func() bool { return w.lent() == 2 })
		c.send(q("begin"))
		for range 4 { // by when each loop has seen what there is for it
			w.dial().quit()
		}
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		c.expect(frames)
		eventually(t, "what is behind "+what+" waits", func() bool { return w.waiting() == 1 })
		holder.ask("C(COMMIT) Z(I)", q("commit"))
		c.expect("C(BEGIN) Z(T)")
		c.ask("C(COMMIT) Z(I)", q("commit"))
		holder.holds()
	}
	holder.ask("C(COMMIT) Z(I)", q("commit"))
}

// Many frameworks end a transaction that has not begun.
func TestTheEndOfNoTransactionWaitsInTheQueue(t *testing.T) {
	w := start(t, size(1))
	holder, c := w.dial(), w.dial()
	holder.holds()
	c.send(q("rollback"))
	eventually(t, "it waits", func() bool { return w.waiting() == 1 })
	holder.ask("C(COMMIT) Z(I)", q("commit"))
	c.expect("N(25P01) C(ROLLBACK) Z(I)")
}
