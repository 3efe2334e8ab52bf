package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/internal/lab"
	"portero/wire"
)

// fake is a PostgreSQL server that does on demand what a real one will not:
// be another's replica at once, count its clients at every moment, refuse,
// fall silent, take its time to cancel.
type fake struct {
	t    testing.TB
	addr string

	mu       sync.Mutex // guards what follows
	listener net.Listener
	system   string
	timeline int64
	standby  bool // it reports in_hot_standby
	recovery bool
	booted   string        // when its postmaster was
	lsn      uint64        // where it is in the WAL
	idle     time.Duration // since the last transaction that it has replayed
	silent   bool          // accepts and never answers
	refusal  *wire.Error   // instead of a login
	garbage  bool          // no PostgreSQL at all answers
	wax      chan struct{} // whoever says "stall" is not read until it is closed
	refuses  string        // a statement that fails
	signs    int           // of life that were asked for
	missing  string        // a database that it does not have
	starts   []string      // the application_name of each login that it took
	unfit    *wire.Error   // what it says behind AuthenticationOk to who asks for work_mem
	slow     chan struct{} // until it is closed, who asks for geqo is not welcomed
	live     map[net.Conn]uint32
	most     int // most that were live at one time
	logins   int
	dials    int
	nextPID  uint32
	cancels  chan uint32   // process IDs of cancel requests
	hold     chan struct{} // a cancel request is kept open until it is closed; nil: not at all
	roster   *roster       // what it says of the nodes of its cluster; nil: it is no YugabyteDB
}

func startFake(t testing.TB) *fake {
	t.Helper()
	return startFakeAt(t, lab.AddressForTest(t))
}

func startFakeAt(t testing.TB, address string) *fake {
	t.Helper()
	f := &fake{t: t, system: "4711", timeline: 1, lsn: 1000, live: make(map[net.Conn]uint32), cancels: make(chan uint32, 100), nextPID: 100}
	f.open(address)
	t.Cleanup(f.down)
	return f
}

// open listens. A program that another test starts at this moment may still have the socket
// that was closed, until it is the program's own process.
func (f *fake) open(address string) {
	var l net.Listener
	wait(f.t, "the address is free", func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	f.set(func() { f.listener, f.addr = l, l.Addr().String() })
	go f.accept(l)
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// down ends the listener and all connections, as a crash.
func (f *fake) down() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listener.Close()
	for c := range f.live {
		c.Close()
	}
}

func (f *fake) up() { f.open(f.addr) }

// killOne ends one connection, as pg_terminate_backend; false if there is none.
func (f *fake) killOne() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.live {
		c.Write(wire.Fatal(wire.AdminShutdown, "terminating connection due to administrator command").Append(nil))
		c.Close()
		delete(f.live, c)
		return true
	}
	return false
}

func (f *fake) count() (live, most, logins int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live), f.most, f.logins
}

func (f *fake) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		f.set(func() { f.dials++ })
		go f.serve(c)
	}
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(f.t.Context(), func() { c.Close() })
	defer stop()
	be := pgproto3.NewBackend(c, c)
	first, err := be.ReceiveStartupMessage()
	if err != nil {
		return
	}
	if x, ok := first.(*pgproto3.CancelRequest); ok {
		f.cancel(x)
		return
	}
	if !f.welcome(c, be, first) {
		return
	}
	defer f.set(func() { delete(f.live, c) })
	for {
		m, err := be.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *pgproto3.Query:
			if m.String == "stall" {
				<-f.wax
			}
			if f.refusesIt(m.String) {
				be.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: "no such thing"})
				be.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			} else {
				f.answer(be, m.String)
			}
		case *pgproto3.Sync:
			f.set(func() { f.signs++ })
			be.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return
		}
		if be.Flush() != nil {
			return
		}
	}
}

func (f *fake) refusesIt(sql string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refuses != "" && sql == f.refuses
}

func (f *fake) welcome(c net.Conn, be *pgproto3.Backend, first pgproto3.FrontendMessage) bool {
	f.mu.Lock()
	if f.silent {
		f.mu.Unlock()
		io.Copy(io.Discard, c)
		return false
	}
	f.logins++
	if f.garbage {
		f.mu.Unlock()
		c.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
		return false
	}
	e := f.refusal
	if s, ok := first.(*pgproto3.StartupMessage); ok && f.missing != "" && s.Parameters["database"] == f.missing {
		e = wire.Fatal(wire.UndefinedDatabase, "database %q does not exist", f.missing)
	}
	if e != nil {
		f.mu.Unlock()
		c.Write(e.Append(nil))
		return false
	}
	var given map[string]string
	if s, ok := first.(*pgproto3.StartupMessage); ok {
		given = s.Parameters
	}
	if unfit := f.unfit; unfit != nil && given["work_mem"] != "" {
		f.mu.Unlock()
		be.Send(&pgproto3.AuthenticationOk{})
		if be.Flush() == nil {
			c.Write(unfit.Append(nil))
		}
		return false
	}
	f.nextPID++
	pid := f.nextPID
	f.live[c] = pid
	f.most = max(f.most, len(f.live))
	f.starts = append(f.starts, given["application_name"])
	slow := f.slow
	f.mu.Unlock()
	be.Send(&pgproto3.AuthenticationOk{})
	if given["geqo"] != "" && slow != nil {
		be.Flush() //nolint:errcheck // as below
		<-slow
	}
	be.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "15.0"})
	if f.tells() {
		be.Send(&pgproto3.ParameterStatus{Name: "in_hot_standby", Value: "on"})
	}
	be.Send(&pgproto3.BackendKeyData{ProcessID: pid, SecretKey: binary.BigEndian.AppendUint32(nil, pid)})
	be.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	return be.Flush() == nil
}

func (f *fake) answer(be *pgproto3.Backend, sql string) {
	if strings.Contains(sql, "pg_is_in_recovery") {
		f.mu.Lock()
		row := [][]byte{[]byte("f"), fmt.Appendf(nil, "%08X", f.timeline), []byte(f.system), []byte("none"), []byte(f.booted), fmt.Appendf(nil, "%X/%X", f.lsn>>32, f.lsn&0xffffffff), nil}
		if f.recovery {
			row[0], row[1], row[6] = []byte("t"), nil, fmt.Append(nil, f.idle.Seconds())
		}
		f.mu.Unlock()
		be.Send(&pgproto3.DataRow{Values: row})
	}
	switch sql { // as a walsender
	case "IDENTIFY_SYSTEM":
		f.mu.Lock()
		be.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(f.system), fmt.Append(nil, f.timeline)}})
		f.mu.Unlock()
	case "SHOW transaction_read_only":
		be.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(map[bool]string{true: "on", false: "off"}[f.recovers()])}})
	}
	if strings.Contains(sql, "yb_servers") {
		if f.roster == nil {
			be.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42883", Message: "function pg_catalog.yb_servers() does not exist"})
			be.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			return
		}
		for _, row := range f.roster.read() {
			be.Send(&pgproto3.DataRow{Values: row})
		}
	}
	be.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
	if f.tells() {
		be.Send(&pgproto3.ParameterStatus{Name: "in_hot_standby", Value: map[bool]string{true: "on", false: "off"}[f.recovers()]})
	}
	be.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
}

// tells is whether it reports in_hot_standby, as PostgreSQL does since version 14.
func (f *fake) tells() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.standby
}

func (f *fake) recovers() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recovery
}

func (f *fake) cancel(x *pgproto3.CancelRequest) {
	f.cancels <- x.ProcessID
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold == nil {
		return
	}
	select {
	case <-hold:
	case <-f.t.Context().Done():
	}
}

// follow makes f a replica; lead makes it the primary of a timeline. Like
// PostgreSQL's promotion neither ends connections.
func (f *fake) follow()             { f.set(func() { f.recovery = true }) }
func (f *fake) lead(timeline int64) { f.set(func() { f.recovery, f.timeline = false, timeline }) }

// wait asks until there is no error.
func wait(t testing.TB, what string, ask func() error) {
	t.Helper()
	lab.Eventually(t, what, ask)
}

var errNotYet = errors.New("not yet")

// until makes an error of what is not true yet.
func until(ok bool) error {
	if ok {
		return nil
	}
	return errNotYet
}

const patience = lab.Patience
