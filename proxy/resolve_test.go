package proxy_test

import (
	"testing"

	"portero/config"
)

func resolving(c *config.Config) { c.Pool.ResolveCommits = true }

// What is asked ahead of commits is nothing to their clients.
func TestTheQuestionForATransactionIsNotSeen(t *testing.T) {
	w := start(t, size(1), resolving)
	r := w.dial()
	r.ask("C(CREATE_TABLE) Z(I)", q("create temp table mine (n int primary key deferrable initially deferred)"))
	insert := "insert into mine values (1)"
	r.ask("1 2 C(INSERT_0_1) Z(I)", parse(insert), bind(), execute(), syncs())
	r.ask("1 2 C(INSERT_0_1) E(ERROR_23505) Z(I)", parse(insert), bind(), execute(), syncs())
	r.ask("E(ERROR_23505) Z(I)", q(insert))
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("C(INSERT_0_1) Z(T)", q(insert))
	r.ask("E(ERROR_23505) Z(I)", q("commit"))
	r.ask("1 2 C(BEGIN) 1 2 C(INSERT_0_1) 1 2 C(COMMIT) Z(I)",
		parse("begin"), bind(), execute(), parse("insert into mine values (2)"), bind(), execute(), parse("commit"), bind(), execute(), syncs())
	r.ask("C(BEGIN) Z(T) C(INSERT_0_1) Z(T) C(COMMIT) Z(I)", q("begin"), q("insert into mine values (3)"), q("commit"))
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("1 2 C(INSERT_0_1) 1 2 C(COMMIT) Z(I)", parse("insert into mine values (4)"), bind(), execute(), parse("commit"), bind(), execute(), syncs())
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("E(ERROR_42601) Z(E)", q("nonsense"))
	r.ask("1 2 C(ROLLBACK) Z(I)", parse("commit"), bind(), execute(), syncs())
	r.ask("N(25P01) C(COMMIT) Z(I)", q("commit"))
	r.ask("T D(4) C(SELECT_1) Z(I)", q("select count(*) from mine"))
}

// A server that comes back, and is no successor, cannot tell what it had not flushed.
func TestACommitRemainsUnknownOnTheSameTimeline(t *testing.T) {
	sideBySide(t)
	p := startStopping(t)
	p.prepare("alter system set synchronous_standby_names = 'nobody'", "select pg_reload_conf()")
	w := startBefore(t, p.Address(), size(5), resolving)
	explicit, extended, impatient := w.dial(), w.dial(), w.dial()
	for _, r := range []*raw{explicit, impatient} {
		r.ask("C(BEGIN) Z(T)", q("begin"))
		r.ask("C(INSERT_0_1) Z(T)", q("insert into done values (1)"))
		r.send(q("commit"))
	}
	extended.send(parse("insert into done values (2)"), bind(), execute(), syncs())
	extended.expect("1 2 C(INSERT_0_1)")
	p.await("SyncRep", 3)
	p.Kill()
	eventually(t, "all wait", func() bool { return w.pools.States()[0].ClientsWaiting == 3 })
	w.cancel(impatient)
	impatient.expect("E(ERROR_08007) Z(I)")
	if err := p.Start(bounded(t)); err != nil {
		t.Fatal(err)
	}
	explicit.expect("E(ERROR_08007) Z(I)")
	extended.expect("E(ERROR_08007) Z(I)")
	for _, r := range []*raw{explicit, extended, impatient} {
		r.ask(answer, q("select 1"))
	}
}
