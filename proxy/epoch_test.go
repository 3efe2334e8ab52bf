package proxy_test

import (
	"fmt"
	"testing"

	"portero/discovery"
)

// moveEpoch makes the cluster believe that the leader is on a new timeline.
func (w *world) moveEpoch() {
	w.t.Helper()
	c := w.clusters["local"]
	g := c.View().Groups[0]
	c.Observe(discovery.Proof{Member: g.Leader, Timeline: g.Timeline + 1})
	if c.View().Groups[0].Epoch == g.Epoch {
		w.t.Fatal("the epoch has not moved")
	}
}

func TestClientsWhenTheEpochMoves(t *testing.T) {
	w := start(t, size(4), loops(2))
	idle, inside, working, writing := w.dial(), w.dial(), w.dial(), w.dial()
	idle.ask(answer, q("select 1"))
	inside.ask("C(BEGIN) Z(T)", q("begin"))
	working.ask("C(BEGIN) Z(T)", q("begin"))
	for _, r := range []*raw{working, writing} {
		pid := r.value("select pg_backend_pid()")
		r.send(q("select pg_sleep(60)"))
		if r == working {
			asleep(t, pid)
		}
	}
	eventually(t, "both asleep", func() bool {
		return superuser(t, "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and usename = 'app'") == "2"
	})
	w.moveEpoch()
	working.expect("E(ERROR_08006) Z(E)")
	writing.expect("E(ERROR_08007) Z(I)")
	writing.ask(answer, q("select 1"))
	inside.ask("E(ERROR_08006) Z(E)", q("select 1"))
	inside.ask("C(ROLLBACK) Z(I)", q("rollback"))
	inside.ask(answer, q("select 1"))
	idle.ask(answer, q("select 1"))
	superuser(t, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app' and wait_event = 'PgSleep'")
}

func TestEpochMovesWhileClientsWaitInTheQueue(t *testing.T) {
	w := start(t, size(1))
	holder, waits := w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	waits.send(q("select 1"))
	eventually(t, "in the queue", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
	w.moveEpoch()
	waits.expect(answer)
	holder.ask("E(ERROR_08006) Z(I)", q("commit")) // it did not commit, and the block is over
}

func TestSessionModeClientEndsWhenTheEpochMoves(t *testing.T) {
	w := start(t, mode("session"))
	r := w.dial()
	r.ask(answer, q("select 1"))
	w.moveEpoch()
	r.expect("E(FATAL_08006)")
	r.ended()
}

// What a client has set up is made anew on the new leader, when it needs it.
func TestWhatAClientHasSetUpIsThereOnTheNewLeader(t *testing.T) {
	w := start(t, size(2))
	r := w.superuser()
	pid := r.value("select pg_backend_pid()")
	r.ask("1 Z(I)", parseAs("s", "select current_setting('work_mem'), current_setting('timezone'), current_user, pg_backend_pid() <> "+pid), syncs())
	r.run("set work_mem = '5MB'|set timezone = 'Asia/Tokyo'|set role app|prepare p as select 'by name'")
	w.moveEpoch()
	if got := r.converse(runs("s")); got != "2 T D(5MB,Asia/Tokyo,app,t) C(SELECT_1) Z(I)" {
		t.Errorf("the prepared statement: %s", got)
	}
	r.ask("T D(by_name) C(SELECT_1) Z(I)", q("execute p"))
}

// What a server says of itself is told to no client of the next leader.
func TestFactsOfAServerEndWithItsReign(t *testing.T) {
	facts := []string{"server_version", "in_hot_standby", "integer_datetimes"}
	f := startFake(t, honest)
	f.facts = func() map[string]string {
		told := make(map[string]string)
		for _, name := range facts {
			told[name] = fmt.Sprint("of server ", f.logins.Load())
		}
		return told
	}
	w := startBefore(t, f.address, size(1))
	for reign := 1; reign <= 3; reign++ {
		for range 2 { // the second is welcomed from memory
			r := w.dial()
			for _, name := range facts {
				if got, want := r.welcome[name], fmt.Sprint("of server ", reign); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			r.ask(answer, q("select 1"))
		}
		w.moveEpoch()
	}
}
