package failover

import (
	"context"
	"net"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/internal/lab"
)

// walsender is a client that streams the WAL by a route.
type walsender struct {
	t    *testing.T
	conn *pgconn.PgConn
	port string // of the member that it has come to
}

func (s *replicaScene) stream(t *testing.T, database string) *walsender {
	t.Helper()
	w := &walsender{t: t}
	lab.Eventually(t, "a walsender for "+database, func() (err error) { // the member may not have heard yet that the role may replicate
		w.conn, err = pgconn.Connect(t.Context(), s.dsn(database)+"&replication=database")
		return err
	})
	t.Cleanup(func() { w.conn.Close(context.Background()) })
	w.port = w.ask("select inet_server_port()")
	w.send(&pgproto3.Query{String: "START_REPLICATION PHYSICAL " +
		w.ask("select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end")})
	if _, is := w.receive().(*pgproto3.CopyBothResponse); !is {
		t.Fatalf("%s: no stream", database)
	}
	return w
}

func (w *walsender) ask(sql string) string {
	w.t.Helper()
	all, err := w.conn.Exec(w.t.Context(), sql).ReadAll()
	if err != nil {
		w.t.Fatal(err)
	}
	return string(all[0].Rows[0][0])
}

func (w *walsender) send(m pgproto3.FrontendMessage) {
	w.t.Helper()
	w.conn.Frontend().Send(m)
	if err := w.conn.Frontend().Flush(); err != nil {
		w.t.Fatal(err)
	}
}

// receive is the next message, or the error that ends the client.
func (w *walsender) receive() any {
	ctx, stop := context.WithTimeout(w.t.Context(), lab.Patience)
	defer stop()
	m, err := w.conn.ReceiveMessage(ctx)
	if err != nil {
		return err
	}
	return m
}

// behindStream is what comes when no more WAL does.
func (w *walsender) behindStream() any {
	m := w.receive()
	for {
		if _, streams := m.(*pgproto3.CopyData); !streams {
			return m
		}
		m = w.receive()
	}
}

// switchedOver hands the lead to one of two replicas, each of which has a walsender. Whose
// walsender was the leader's is told to come again; at a replica nobody is cut, also not where
// it is promoted: the stream ends with its timeline, as without Portero, and the walsender stays.
func (s *replicaScene) switchedOver(t *testing.T) {
	if err := lab.RunSQL(t.Context(), s.leader.SuperuserDSN("app"), "alter role app replication"); err != nil {
		t.Fatal(err)
	}
	led := s.stream(t, "app")
	reads := []*walsender{s.stream(t, "loose"), s.stream(t, "loose"), s.stream(t, "prefer")}
	portOf := func(m *lab.Member) string {
		_, port, _ := net.SplitHostPort(m.Address)
		return port
	}
	if led.port != portOf(s.leader) || reads[0].port == reads[1].port || slices.ContainsFunc(reads, func(w *walsender) bool { return w.port == led.port }) {
		t.Fatalf("the leader is at %s, and walsenders at %s; replicas' at %s, %s and %s", portOf(s.leader), led.port, reads[0].port, reads[1].port, reads[2].port)
	}
	if err := s.group.Switchover(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := s.group.Leader(t.Context())
	if err != nil || now == s.leader {
		t.Fatalf("%v leads, %v", now, err)
	}
	if err, _ := led.behindStream().(error); lab.SQLState(err) != "08006" {
		t.Errorf("at the leader: %v", err)
	}
	for _, w := range reads {
		if m, is := w.behindStream().(*pgproto3.CopyDone); !is {
			t.Fatalf("at a replica: %v in place of the timeline's end", m)
		}
		w.send(&pgproto3.CopyDone{})
		for {
			m := w.receive()
			if _, ready := m.(*pgproto3.ReadyForQuery); ready {
				break
			}
			if err, failed := m.(error); failed {
				t.Fatalf("at a replica: %v", err)
			}
		}
		want := map[bool]string{true: "f", false: "t"}[w.port == portOf(now)]
		if got := w.ask("select pg_is_in_recovery()"); got != want {
			t.Errorf("at %s, with %s leading: in recovery %s", w.port, portOf(now), got)
		}
	}
}
