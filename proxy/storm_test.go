package proxy_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// stormer is one client of the storm. It keeps books on every row it writes.
type stormer struct {
	w       *world
	id      int
	conn    net.Conn
	fe      *pgproto3.Frontend
	key     pgproto3.BackendKeyData
	next    int
	acked   []string // confirmed
	unknown []string // told 08007, or the connection was broken off by us
	faults  []string
	denied  map[string]string // told that it failed, and how
	heard   []string          // since the last request
}

func TestStormLosesAndRepeatsNothing(t *testing.T) {
	w := start(t, size(4), loops(2))
	w.dial().query("drop table if exists storm; create table storm(id text)")
	defer superuser(t, "select count(*) from storm")
	stop := make(chan struct{})
	var running sync.WaitGroup
	var all []*stormer
	for i := range 24 {
		s := &stormer{w: w, id: i, denied: make(map[string]string)}
		all = append(all, s)
		running.Go(func() { s.run(stop) })
	}
	for range 30 { // servers die all the time
		<-time.After(70 * time.Millisecond)
		superuser(t, "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity where usename = 'app' order by random() limit 1) x")
	}
	close(stop)
	running.Wait()
	checkBooks(t, all)
	eventually(t, "no transaction is left", func() bool {
		return superuser(t, "select count(*) from pg_stat_activity where usename = 'app' and state like 'idle in%'") == "0"
	})
}

// checkBooks compares what the clients were told with what the server has.
func checkBooks(t *testing.T, all []*stormer) {
	t.Helper()
	rows := make(map[string]int)
	for _, id := range strings.Split(superuser(t, "select string_agg(id, ' ') from storm"), " ") {
		if rows[id]++; rows[id] > 1 {
			t.Errorf("row %s is there %d times", id, rows[id])
		}
	}
	acked, unknown := 0, 0
	for _, s := range all {
		for _, id := range s.acked {
			if rows[id] == 0 {
				t.Errorf("row %s was confirmed and is lost", id)
			}
			delete(rows, id)
		}
		for _, id := range s.unknown {
			delete(rows, id)
		}
		for id, heard := range s.denied {
			if rows[id] > 0 {
				t.Errorf("row %s is there, and the client heard %s", id, heard)
				delete(rows, id)
			}
		}
		for _, f := range s.faults {
			t.Errorf("client %d: %s", s.id, f)
		}
		acked, unknown = acked+len(s.acked), unknown+len(s.unknown)
	}
	if len(rows) > 0 {
		t.Errorf("%d rows were never confirmed nor called unknown: %v", len(rows), rows)
	}
	if acked < 100 {
		t.Errorf("only %d rows were confirmed", acked)
	}
	t.Logf("%d rows confirmed, %d unknown", acked, unknown)
}

func (s *stormer) run(stop chan struct{}) {
	for {
		select {
		case <-stop:
			if s.conn != nil {
				s.conn.Close()
			}
			return
		default:
		}
		if s.conn == nil && !s.connect() {
			return
		}
		s.act()
	}
}

func (s *stormer) connect() bool {
	conn, err := net.Dial("tcp", s.w.address())
	if err != nil {
		s.faults = append(s.faults, err.Error())
		return false
	}
	s.conn, s.fe = conn, pgproto3.NewFrontend(conn, conn)
	s.fe.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "app", "application_name": fmt.Sprint("storm", s.id%3)}})
	status, said := s.answer(1)
	if status != "I" || said != "" {
		s.faults = append(s.faults, "login: "+status+said)
		return false
	}
	return true
}

// act does one thing of many.
func (s *stormer) act() {
	s.next++
	id := fmt.Sprintf("%d.%d", s.id, s.next)
	insert := "insert into storm values ('" + id + "')"
	switch rand.IntN(8) {
	case 0:
		s.write(id, 1, q(insert))
	case 1:
		s.write(id, 1, parse("insert into storm values ($1)"), bind(id), execute(), syncs())
	case 2:
		s.write(id, 3, q("begin"), q(insert), q("commit"))
	case 3:
		s.write(id, 1, q("begin; "+insert+"; commit"))
	case 4: // away in the middle of a transaction
		s.fe.Send(q("begin; " + insert))
		s.fe.Flush()
		s.drop()
	case 5: // away behind a statement, in good order or not
		s.fe.Send(q(insert))
		if rand.IntN(2) == 0 {
			s.fe.Send(&pgproto3.Terminate{})
		}
		s.fe.Flush()
		s.unknown = append(s.unknown, id)
		s.drop()
	case 6:
		s.fe.Send(q("begin"))
		s.fe.Send(q(insert))
		s.fe.Send(q("select 1/0"))
		s.fe.Send(q("rollback"))
		s.answer(4)
	case 7:
		s.cancelled(id, insert)
	}
}

func (s *stormer) drop() {
	s.conn.Close()
	s.conn = nil
}

// write sends a transaction that ends with n ReadyForQuery and enters its fate.
func (s *stormer) write(id string, n int, messages ...pgproto3.FrontendMessage) {
	for _, m := range messages {
		s.fe.Send(m)
	}
	s.enter(id, n)
}

func (s *stormer) enter(id string, n int) {
	switch status, said := s.answer(n); {
	case status == "" || said == "08007":
		s.unknown = append(s.unknown, id)
	case said == "":
		s.acked = append(s.acked, id)
	default:
		s.denied[id] = strings.Join(s.heard, " ")
	}
}

// cancelled writes and cancels at about the same time.
func (s *stormer) cancelled(id, insert string) {
	s.fe.Send(q("select pg_sleep(0.001); " + insert))
	s.fe.Flush()
	if conn, err := net.Dial("tcp", s.w.address()); err == nil {
		b, _ := (&pgproto3.CancelRequest{ProcessID: s.key.ProcessID, SecretKey: s.key.SecretKey}).Encode(nil)
		conn.Write(b)
		s.enter(id, 1)
		io.Copy(io.Discard, conn) //nolint:errcheck // the request is over: it cannot hit what comes next
		conn.Close()
	}
}

// answer reads n ReadyForQuery and, if the transaction is still open, rolls it
// back. said is the first error's code; status is "" if the connection broke.
func (s *stormer) answer(n int) (status, said string) {
	s.conn.SetDeadline(time.Now().Add(patience))
	s.fe.Flush()
	s.heard = s.heard[:0]
	for n > 0 {
		m, err := s.fe.Receive()
		if err != nil {
			s.faults = append(s.faults, fmt.Sprintf("receive: %v (%s)", err, said))
			s.drop()
			return "", said
		}
		s.heard = append(s.heard, word(m))
		switch m := m.(type) {
		case *pgproto3.BackendKeyData:
			s.key = pgproto3.BackendKeyData{ProcessID: m.ProcessID, SecretKey: append([]byte(nil), m.SecretKey...)}
		case *pgproto3.ErrorResponse:
			if said == "" {
				said = m.Code
			}
		case *pgproto3.ReadyForQuery:
			status = string(m.TxStatus)
			n--
		}
	}
	if status != "I" {
		s.fe.Send(q("rollback"))
		if after, _ := s.answer(1); after != "I" {
			s.faults = append(s.faults, "after ROLLBACK: "+after)
		}
	}
	return status, said
}
