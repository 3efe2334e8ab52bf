package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
)

// dying is a Portero that a test tells to end, step by step, while a client of it is in a
// transaction and another is idle.
type dying struct {
	process
	t        *testing.T
	postgres *lab.Postgres
}

func (d dying) configured(delay string) string {
	return "admin.takeover = \"takeover.sock\"\n" + configText(d.postgres.Address(), "shutdown_delay = \""+delay+"\"")
}

// delayed starts one with a shutdown_delay.
func delayed(t *testing.T, postgres *lab.Postgres, delay string) dying {
	t.Helper()
	d := dying{t: t, postgres: postgres}
	d.process = startProcess(t, lab.PorteroOptions{Config: d.configured(delay), Operators: `users = ["postgres"]`})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := d.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return d
}

// says waits for a line of the log.
func (d dying) says(line string) {
	d.t.Helper()
	eventually(d.t, func() error {
		if !strings.Contains(d.Log(), line) {
			return fmt.Errorf("%s is not in the log:\n%s", line, d.LogTail(10))
		}
		return nil
	})
}

// probed is what probes see.
func (d dying) probed(ready string) {
	d.t.Helper()
	if status, body := d.get(d.t, "/livez"); status != http.StatusOK {
		d.t.Errorf("/livez: %d %s", status, body)
	}
	if status, body := d.get(d.t, "/readyz"); body != ready || (status == http.StatusOK) != (ready == "ready\n") {
		d.t.Errorf("/readyz: %d %s", status, body)
	}
	if n := d.sum(d.t, "portero_shutting_down"); (n == 0) != (ready == "ready\n") {
		d.t.Errorf("portero_shutting_down is %d", n)
	}
}

// tell gives a command on the console. SHUTDOWN alone ends it without an answer.
func (d dying) tell(command string) {
	d.t.Helper()
	console, err := tryConnect(d.t, d.Address, "pgbouncer")
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := ask(d.t.Context(), console, command); (err != nil) != (command == "SHUTDOWN") {
		d.t.Fatalf("%s: %v", command, err)
	}
}

// The lines of the log, each of which is to be there once at the most.
const (
	about    = `"msg":"about to shut down","signal":"terminated","shutdown_delay":`
	drains   = `"msg":"shutting down","signal":"terminated"`
	cuts     = `"msg":"shutting down","signal":"interrupt"`
	quits    = `"msg":"shutting down","signal":"quit"`
	cutsLate = `"msg":"shutting down at once"`
	hands    = `"msg":"handing over"`
	waits    = `"msg":"waiting for clients to leave"`
)

func TestTermWithADelay(t *testing.T) {
	t.Parallel()
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}})
	const never, now = "1h", "50ms"
	term, interrupt := func(d dying) { d.Signal(syscall.SIGTERM) }, func(d dying) { d.Signal(syscall.SIGINT) }
	inDelay := func(d dying) { term(d); d.says(about); d.served() }
	tell := func(command string) func(dying) { return func(d dying) { d.tell(command) } }
	for _, c := range []struct {
		name  string
		delay string
		steps []func(dying) // while a transaction is open
		says  []string      // in this order, and none of the others
		ends  bool          // the open transaction is let end
	}{
		{"alone: it drains when the delay is over", now, []func(dying){term}, []string{about, drains}, true},
		{"no delay: it drains at once", "0s", []func(dying){term}, []string{drains}, true},
		{"again: that changes nothing", never, []func(dying){inDelay, term, dying.served, interrupt}, []string{about, cuts}, false},
		{"INT ends the delay, and cuts", never, []func(dying){inDelay, interrupt}, []string{about, cuts}, false},
		{"QUIT ends the delay, and cuts", never, []func(dying){inDelay, func(d dying) { d.Signal(syscall.SIGQUIT) }}, []string{about, quits}, false},
		{"INT has no delay", never, []func(dying){interrupt}, []string{cuts}, false},
		{"HUP reloads, and the delay goes on as it began", never, []func(dying){inDelay, dying.reloadsInDelay, dying.served, term, dying.served, interrupt}, []string{about, cuts}, false},
		{"USR1 and USR2 pause and resume", never, []func(dying){inDelay, dying.pausesInDelay, dying.served, interrupt}, []string{about, cuts}, false},
		{"SHUTDOWN ends the delay, and cuts", never, []func(dying){inDelay, tell("SHUTDOWN")}, []string{about, cuts}, false},
		{"SHUTDOWN WAIT_FOR_SERVERS ends the delay, and drains", never, []func(dying){inDelay, tell("SHUTDOWN WAIT_FOR_SERVERS")}, []string{about, drains}, true},
		{"SHUTDOWN WAIT_FOR_SERVERS has no delay", never, []func(dying){tell("SHUTDOWN WAIT_FOR_SERVERS")}, []string{drains}, true},
		{"SHUTDOWN WAIT_FOR_CLIENTS changes nothing", never, []func(dying){inDelay, tell("SHUTDOWN WAIT_FOR_CLIENTS"), func(d dying) { d.says("WAIT_FOR_CLIENTS changes nothing") }, dying.served, interrupt}, []string{about, cuts}, false},
		{"behind SHUTDOWN WAIT_FOR_CLIENTS, it drains at once", never, []func(dying){tell("SHUTDOWN WAIT_FOR_CLIENTS"), func(d dying) { d.says(waits); d.probed("shutting down\n") }, term}, []string{waits, drains}, true},
		{"INT cuts in the drain", now, []func(dying){term, func(d dying) { d.says(drains); d.probed("shutting down\n") }, interrupt}, []string{about, drains, cutsLate}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := delayed(t, postgres, c.delay)
			d.probed("ready\n")
			busy := connect(t, d.Address)
			mustAsk(t, busy, "begin; insert into noted values ('"+c.name+"')", "")
			for _, step := range c.steps {
				step(d)
			}
			noted := "0"
			if c.ends {
				d.says(drains)
				d.probed("shutting down\n")
				mustAsk(t, busy, "commit", "")
				noted = "1"
			}
			if status := d.wait(t); status != 0 {
				t.Errorf("exit status %d", status)
			}
			d.hasSaid(c.says)
			expectRows(t, postgres, c.name, noted)
		})
	}
	t.Run("the delay is no shorter than it says", func(t *testing.T) {
		d := delayed(t, postgres, "400ms")
		began := time.Now()
		term(d)
		d.wait(t)
		if took := time.Since(began); took < 400*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("a takeover ends the delay", func(t *testing.T) {
		d := delayed(t, postgres, never)
		idle := connect(t, d.Address)
		old := *d.process.Portero
		inDelay(d)
		if err := d.Configure(d.configured("0s")); err != nil { // for the other's own end
			t.Fatal(err)
		}
		d.succeed(t)
		mustAsk(t, idle, "select 1", "1")
		dying{process{&old}, t, postgres}.hasSaid([]string{about, hands})
		d.probed("ready\n")
	})
	t.Run("a takeover that is under way ends the delay when the other listens", func(t *testing.T) {
		d := delayed(t, postgres, never)
		other, err := inherit(d.Path("takeover.sock"))
		if err != nil || !other.isLeft() {
			t.Fatal(err)
		}
		defer other.from.Close()
		inDelay(d)
		if err := other.from.Send(message{Kind: ready}, -1); err != nil {
			t.Fatal(err)
		}
		d.wait(t)
		d.hasSaid([]string{about, hands})
	})
}

// served fails unless who comes now is a client as any other, and probes see what is to come.
func (d dying) served() {
	d.t.Helper()
	client, err := tryConnect(d.t, d.Address, "postgres")
	if err != nil {
		d.t.Fatalf("in the delay: %v\n%s", err, d.LogTail(10))
	}
	mustAsk(d.t, client, "select 40 + 2", "42")
	hangUp(client)
	d.probed("shutting down\n")
}

func (d dying) reloadsInDelay() {
	d.t.Helper()
	d.reload(d.t, d.configured("0s"), "applied")
}

func (d dying) pausesInDelay() {
	d.t.Helper()
	d.Signal(syscall.SIGUSR1)
	eventually(d.t, func() error {
		if _, body := d.get(d.t, "/readyz"); !strings.Contains(body, "paused") {
			return errors.New(body)
		}
		return nil
	})
	d.Signal(syscall.SIGUSR2)
	eventually(d.t, func() error {
		if _, body := d.get(d.t, "/readyz"); strings.Contains(body, "paused") {
			return errors.New(body)
		}
		return nil
	})
}

// hasSaid fails unless the log has these of the lines, in this order, each once, and none
// of the others.
func (d dying) hasSaid(lines []string) {
	d.t.Helper()
	log, from := d.Log(), 0
	for _, line := range []string{about, drains, cuts, quits, cutsLate, hands, waits} {
		want := 0
		for _, l := range lines {
			if l == line {
				want = 1
			}
		}
		if n := strings.Count(log, line); n != want {
			d.t.Errorf("%d times %s, want %d", n, line, want)
		}
	}
	for _, line := range lines {
		i := strings.Index(log[from:], line)
		if i < 0 {
			d.t.Errorf("not in its place: %s\n%s", line, log)
			return
		}
		from += i
	}
}
