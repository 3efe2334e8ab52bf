package proxy_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
)

// silent opens connections that say nothing and stay.
func (w *world) silent(n int) {
	w.t.Helper()
	for range n {
		conn := must(net.Dial("tcp", w.address()))(w.t)
		w.t.Cleanup(func() { conn.Close() })
	}
}

// accepted waits until n connections have been taken from the kernel.
func (w *world) accepted(n int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%d connections are accepted", n), func() bool { return w.process.ClientsAccepted.Load() >= uint64(n) })
}

// atMost fails the test if there are ever more logins than n while it runs.
func (w *world) atMost(n int64) {
	stop, stopped := make(chan struct{}), make(chan int64)
	go func() {
		most := int64(0)
		for {
			select {
			case <-stop:
				stopped <- most
				return
			case <-time.After(time.Millisecond):
				most = max(most, w.process.LoginsInFlight.Load())
			}
		}
	}()
	w.t.Cleanup(func() {
		close(stop)
		if most := <-stopped; most > n {
			w.t.Errorf("%d connections were logging in at once, want at most %d", most, n)
		}
	})
}

func TestSilentConnectionsKeepNobodyOut(t *testing.T) {
	const storm = 2000
	w := start(t, limits(func(p *config.Pool) { p.MaxLogins = 200 }))
	bystander := w.dial()
	w.atMost(200)
	w.silent(storm / 2)
	w.dial("application_name", "honest").ask(answer, q("select 1"))
	w.silent(storm / 2)
	w.dial("application_name", "honest").ask(answer, q("select 1"))
	bystander.ask(answer, q("select 1"))
	w.accepted(storm)
	eventually(t, "all but the last are dropped", func() bool {
		return w.process.Refused()[metrics.TooManyLogins] >= storm-200
	})
	if n := w.process.Refused()[metrics.TooManyClients]; n > 0 {
		t.Errorf("%d were told that there are too many clients", n)
	}
	w.log.atMostLoud(t, "client refused")
}

// atMostLoud allows one warning of a kind, and as many more as there was time for.
func (l *logged) atMostLoud(t *testing.T, message string) {
	t.Helper()
	loud := 0
	for line := range strings.Lines(l.text()) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, `msg="`+message+`"`) {
			loud++
		}
	}
	if loud < 1 || loud > 6 {
		t.Errorf("%d warnings say %q", loud, message)
	}
}

func TestSilentConnectionsKeepNobodyOutOfAFullHouse(t *testing.T) {
	w := start(t, limits(func(p *config.Pool) { p.MaxClientConn = 10 }))
	w.atMost(10 + 16)
	for range 5 {
		w.dial()
	}
	w.silent(500)
	w.accepted(505)
	for range 5 { // the places that the silent ones had
		w.dial().ask(answer, q("select 1"))
	}
	r := w.plug()
	r.startup("user", "app")
	r.expect("E(FATAL_53300)")
	r.ended()
	if w.process.Refused()[metrics.TooManyLogins] < 5 {
		t.Errorf("refused: %v", w.process.Refused())
	}
}

func TestWhoIsTurnedOutIsTold(t *testing.T) {
	w := start(t, limits(func(p *config.Pool) { p.MaxLogins = 1 }))
	first := w.plug()
	w.accepted(1) // which takes a second, as it is silent; two at once might come in the other order
	second := w.plug()
	first.expect("E(FATAL_53300)")
	first.ended()
	second.login("user", "app")
	second.ask(answer, q("select 1"))
}

func TestClientsThatAreRefusedDoNotPileUp(t *testing.T) {
	w := start(t, limits(func(p *config.Pool) { p.MaxClientConn = 1 }))
	inside := w.dial()
	w.atMost(16)
	var told sync.Map
	var all sync.WaitGroup
	for i := range 300 { // none of them hangs up
		r := w.plug()
		r.startup("user", "app")
		all.Go(func() {
			m, err := r.fe.Receive()
			if e, ok := m.(*pgproto3.ErrorResponse); ok && err == nil {
				told.Store(i, e.Code+" "+e.Message)
			}
		})
	}
	all.Wait()
	n := 0
	told.Range(func(_, text any) bool {
		n++
		if text != "53300 no more connections allowed (max_client_conn)" {
			t.Errorf("told %q", text)
		}
		return true
	})
	if n < 290 {
		t.Errorf("only %d of 300 were told why", n)
	}
	inside.ask(answer, q("select 1"))
}

func TestACancelRequestIsNoClient(t *testing.T) {
	w := start(t, size(1), secured(t, "prefer"), limits(func(p *config.Pool) { p.MaxClientConn = 1 }))
	r := w.dial()
	pid := r.value("select pg_backend_pid()")
	for name, cancel := range map[string]func(){
		"plain": func() { w.cancel(r) },
		"TLS": func() {
			conn := w.plug().secure(t).conn
			defer conn.Close()
			sendCancel(t, conn, r)
		},
		"before silent ones": func() {
			w.silent(100)
			w.cancel(r)
		},
	} {
		r.send(q("select pg_sleep(60)"))
		asleep(t, pid)
		cancel()
		if s := r.untilError(); s != "E(ERROR_57014) Z(I)" {
			t.Fatalf("%s: %s", name, s)
		}
	}
}

// As after a restart: many clients come back at once, and all get in.
func TestAHerdOfClientsGetsIn(t *testing.T) {
	w := start(t, loops(2), limits(func(p *config.Pool) { p.MaxLogins = 5 }))
	w.atMost(5)
	const herd = 300
	var refused sync.Map
	var all sync.WaitGroup
	for i := range herd {
		all.Go(func() {
			for w.comesBack() != nil { // the machine may be too busy for it to speak in time
				refused.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	refused.Range(func(any, any) bool { n++; return true })
	if n > herd/10 {
		t.Errorf("%d of %d had to try again", n, herd)
	}
	if n := w.process.Refused()[metrics.TooManyClients]; n > 0 {
		t.Errorf("%d were told that there are too many clients", n)
	}
}

// comesBack logs in, asks once and leaves.
func (w *world) comesBack() error {
	conn, err := net.Dial("tcp", w.address())
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fe := pgproto3.NewFrontend(conn, conn)
	fe.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "app"}})
	if err := fe.Flush(); err != nil {
		return err
	}
	for {
		m, err := fe.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			return fmt.Errorf("%s", m.Message)
		case *pgproto3.ReadyForQuery:
			fe.Send(&pgproto3.Terminate{})
			fe.Flush()                //nolint:errcheck // it leaves
			io.Copy(io.Discard, conn) //nolint:errcheck // likewise
			return nil
		}
	}
}
