package proxy_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
)

func TestWelcomeEqualsTheServersOwn(t *testing.T) {
	w := start(t)
	direct := plugInto(t, dialServer(t))
	direct.login("user", "app", "application_name", "x", "TimeZone", "Europe/Rome")
	through := w.dial("application_name", "x", "TimeZone", "Europe/Rome")
	for name, v := range direct.welcome {
		if through.welcome[name] != v {
			t.Errorf("%s: %q, the server says %q", name, through.welcome[name], v)
		}
	}
	if len(through.welcome) != len(direct.welcome) {
		t.Errorf("%d parameters, the server reports %d", len(through.welcome), len(direct.welcome))
	}
}

func TestSimpleAndExtendedProtocol(t *testing.T) {
	r := start(t).dial()
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	r.ask("1 2 T D(7) C(SELECT_1) Z(I)", parse("select $1::int"), bind("7"), &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs())
	r.ask("I Z(I)", q(""))
	r.ask("T D(1) C(SELECT_1) T D(2) C(SELECT_1) Z(I)", q("select 1; select 2"))
	r.ask("T D(1) C(SELECT_1) E(ERROR_22012) Z(I)", q("select 1; select 1/0; select 2"))
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("E(ERROR_22012) Z(E)", q("select 1/0"))
	r.ask("E(ERROR_25P02) Z(E)", q("select 1"))
	r.ask("C(ROLLBACK) Z(I)", q("commit"))
	r.ask("C(BEGIN) C(COMMIT) C(BEGIN) Z(T)", q("begin; commit; begin"))
	r.ask("C(COMMIT) Z(T)", q("commit and chain"))
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	r.quit()
}

func TestPipelineOfManyTransactions(t *testing.T) {
	r := start(t, size(1)).dial()
	for range 20 {
		r.send(parse("select $1::int"), bind("1"), execute(), syncs(), parse("select 1/0"), bind(), execute(), syncs(), q("select 3"))
	}
	for range 20 {
		r.expect("1 2 D(1) C(SELECT_1) Z(I) 1 E(ERROR_22012) Z(I) T D(3) C(SELECT_1) Z(I)")
	}
}

func TestErrorInPipelineSkipsToSync(t *testing.T) {
	r := start(t).dial()
	r.ask("1 2 C(SELECT_0) E(ERROR_42601) Z(I) 1 2 D(2) C(SELECT_1) Z(I)",
		parse("select 1 where false"), bind(), execute(), parse("selec"), bind(), execute(), parse("select 9"), bind(), execute(), syncs(),
		parse("select 2"), bind(), execute(), syncs())
}

func TestPipelineWithoutAFinalSyncIsAnsweredOnFlush(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	r.ask("1 2 D(1) C(SELECT_1)", parse("select 1"), bind(), execute(), &pgproto3.Flush{})
	r.ask("1 2 D(2) C(SELECT_1) Z(I)", parse("select 2"), bind(), execute(), syncs())
	w.dial().ask("T D(3) C(SELECT_1) Z(I)", q("select 3"))
}

func TestPortalIsSuspendedAndResumed(t *testing.T) {
	r := start(t, size(1)).dial()
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("1 2 D(1) D(2) s Z(T)", parse("select * from generate_series(1,3)"), &pgproto3.Bind{DestinationPortal: "p"},
		&pgproto3.Execute{Portal: "p", MaxRows: 2}, syncs())
	r.ask("D(3) C(SELECT_1) Z(T)", &pgproto3.Execute{Portal: "p", MaxRows: 2}, syncs())
	r.ask("3 Z(T)", &pgproto3.Close{ObjectType: 'P', Name: "p"}, syncs())
	r.ask("C(COMMIT) Z(I)", q("commit"))
}

func TestFunctionCall(t *testing.T) {
	r := start(t, size(1)).dial()
	call := &pgproto3.FunctionCall{Function: 1397, ArgFormatCodes: []uint16{1}, Arguments: [][]byte{{0xff, 0xff, 0xff, 0xfb}}, ResultFormatCode: 1}
	r.ask("V(00000005) Z(I)", call)
	r.ask("E(ERROR_42883) Z(I)", &pgproto3.FunctionCall{Function: 1})
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestNoticesAreForwarded(t *testing.T) {
	r := start(t).dial()
	r.ask("N(00000) C(DO) Z(I)", q("do $$ begin raise notice 'hello'; end $$"))
	r.ask("N(01000) C(DO) T D(1) C(SELECT_1) Z(I)", q("do $$ begin raise warning 'x'; end $$; select 1"))
}

func TestTerminateRightBehindAQueryStillRunsIt(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	r.ask("C(CREATE_TABLE) Z(I)", q("create table goodbye(i int)"))
	defer w.dial().query("drop table goodbye")
	for range 20 {
		r := w.dial() // most of them wait for the one server when they leave
		r.send(q("insert into goodbye select 1 from pg_sleep(0.002)"), &pgproto3.Terminate{})
		r.conn.Close()
	}
	eventually(t, "20 rows", func() bool { return r.value("select count(*) from goodbye") == "20" })
}

func TestPipelineOfMoreRequestsThanMayBeUnanswered(t *testing.T) {
	const n = 50_000 // twice as many answers are owed at the end
	r := start(t, size(1)).dial()
	var b []byte
	b = must(parse("select 1 where false").Encode(b))(t)
	for range n {
		b = must(execute().Encode(must(bind().Encode(b))(t)))(t)
	}
	b = must(syncs().Encode(b))(t)
	sent := make(chan error, 1)
	go func() {
		_, err := r.conn.Write(b)
		sent <- err
	}()
	r.expect("1")
	for range n {
		r.expect("2 C(SELECT_0)")
	}
	r.expect("Z(I)")
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsRelayedIsCounted(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	for range 10 {
		r.ask("C(BEGIN) Z(T)", q("begin"))
		r.ask("1 2 D(1) C(SELECT_1) Z(T)", parse("select 1"), bind(), execute(), syncs())
		r.ask("C(COMMIT) Z(I)", q("commit"))
	}
	r.quit()
	got := w.pools.States()[0].Pool.Totals()
	if got.Transactions != 10 || got.Queries != 30 || got.BytesReceived == 0 || got.BytesSent == 0 {
		t.Errorf("%+v", got)
	}
	eventually(t, "one client that closed in good order", func() bool { return w.process.Ended()[metrics.ClientClosed] == 1 })
}
