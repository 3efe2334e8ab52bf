package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"portero/internal/lab"
)

const operators = `users = ["ops"]`

// startWatched starts a Portero whose console ops may use.
func startWatched(t *testing.T, o lab.PorteroOptions) process {
	t.Helper()
	o.Operators = operators
	p := startProcess(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTop(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	config := configText(postgres.Address(), "pool_size = 1")
	p := startWatched(t, lab.PorteroOptions{Config: config})
	t.Run("prints pages", func(t *testing.T) { topPrints(t, p) })
	t.Run("gives the terminal back", func(t *testing.T) { topGivesBack(t, p) })
	t.Run("asks for a password", func(t *testing.T) { topAsks(t, postgres) })
	t.Run("stops and goes on", func(t *testing.T) { topStops(t, p) })
	t.Run("shows who waits, and outlives a restart", func(t *testing.T) { topOutlives(t, p, config) })
}

func topPrints(t *testing.T, p process) {
	connect(t, p.Address)
	stdout, stderr, status := portero("top", "--config", p.Path("proxy.toml"), "--batch", "-n", "2", "-d", "100ms", "--view", "clients", "--width", "80")
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d, %q", status, stderr)
	}
	for _, want := range []string{"ready", "clients ", "tx/s -", "tx/s 0", "postgres", "portero top"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	_, stderr, status = portero("top", "--batch", "-n", "1", "host=127.0.0.1 port=1 user=ops")
	if status != 1 || !strings.Contains(stderr, "refused") {
		t.Errorf("where nobody listens: exit status %d, %q", status, stderr)
	}
	_, stderr, status = portero("top", "--batch", "-n", "1", "postgres://nobody@"+p.Address)
	if status != 1 || !strings.Contains(stderr, "not allowed") {
		t.Errorf("for a stranger: exit status %d, %q", status, stderr)
	}
	t.Setenv("TERM", "dumb")
	if _, stderr, status = portero("top", "--config", p.Path("proxy.toml")); status != 1 || !strings.Contains(stderr, "no terminal") {
		t.Errorf("without a terminal: exit status %d, %q", status, stderr)
	}
}

func topGivesBack(t *testing.T, p process) {
	for what, end := range map[string]func(w *terminal){
		"q":      func(w *terminal) { w.press("q") },
		"Ctrl-C": func(w *terminal) { w.press("\x03") },
		"TERM":   func(w *terminal) { w.program.Process.Signal(syscall.SIGTERM) }, //nolint:errcheck // it runs
		"HUP":    func(w *terminal) { w.program.Process.Signal(syscall.SIGHUP) },  //nolint:errcheck // it runs
		"QUIT":   func(w *terminal) { w.program.Process.Signal(syscall.SIGQUIT) }, //nolint:errcheck // it runs

		"q behind what is no UTF-8": func(w *terminal) { w.press("\xe9\xff"); w.press("q") },
	} {
		w := inTerminal(t, 80, 24, "top", "--config", p.Path("proxy.toml"), "-d", "100ms")
		w.expect("ready", "leaders")
		end(w)
		if status := w.ended(); status != 0 {
			t.Errorf("%s: exit status %d", what, status)
		}
	}
}

// stateOf is the state of a process, as T for one that has been stopped.
func stateOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))[0]
}

func topAsks(t *testing.T, postgres *lab.Postgres) {
	p := startWatched(t, lab.PorteroOptions{Config: strings.Replace(configText(postgres.Address(), ""), `method = "trust"`, `users = "userlist.txt"`, 1)})
	p.reloadBy(t, func() error { return p.WriteFile("userlist.txt", `"ops" "secret"`+"\n") }, "applied")
	for _, c := range []struct {
		password, want string
		status         int
	}{{"secret", "leaders", 0}, {"wrong", "password authentication failed", 1}} {
		w := inTerminal(t, 80, 24, "top", "--config", p.Path("proxy.toml"), "-d", "100ms")
		w.expect("Password for user ops:")
		w.hides()
		w.press(c.password + "\r")
		w.expect(c.want)
		if strings.Contains(w.text(), c.password) {
			t.Errorf("the password is shown:\n%s", w.text())
		}
		w.press("q")
		if status := w.ended(); status != c.status {
			t.Errorf("with password %q: exit status %d", c.password, status)
		}
	}
	for what, c := range map[string]struct {
		end    func(w *terminal)
		status int
	}{
		"Ctrl-C": {func(w *terminal) { w.press("\x03") }, 130},
		"TERM":   {func(w *terminal) { w.program.Process.Signal(syscall.SIGTERM) }, 143}, //nolint:errcheck // it runs
		"HUP":    {func(w *terminal) { w.program.Process.Signal(syscall.SIGHUP) }, 129},  //nolint:errcheck // it runs
	} {
		w := inTerminal(t, 80, 24, "top", "--config", p.Path("proxy.toml"))
		w.expect("Password for user ops:")
		w.hides()
		c.end(w)
		if status := w.ended(); status != c.status {
			t.Errorf("%s at the prompt: exit status %d, want %d", what, status, c.status)
		}
	}
}

func topStops(t *testing.T, p process) {
	w := inTerminal(t, 80, 24, "top", "--config", p.Path("proxy.toml"), "-d", "100ms")
	for i, stop := range []func(){
		func() { w.press("\x1a") },
		func() { w.program.Process.Signal(syscall.SIGTSTP) }, //nolint:errcheck // it runs
	} {
		w.isTaken(i + 1)
		w.expect("ready", "leaders")
		stop()
		eventually(t, func() error {
			if state := stateOf(t, w.program.Process.Pid); state != "T" {
				return fmt.Errorf("the program is in state %s", state)
			}
			return nil
		})
		w.isAsItWas()
		w.program.Process.Signal(syscall.SIGCONT) //nolint:errcheck // it is there
	}
	w.isTaken(3)
	w.press("3")
	w.expect("ADDRESS")
	w.press("q")
	w.ended()
}

func topOutlives(t *testing.T, p process, config string) {
	w := inTerminal(t, 80, 24, "top", "--config", p.Path("proxy.toml"), "-d", "100ms")
	holder, waiter := connect(t, p.Address), connect(t, p.Address)
	mustAsk(t, holder, "begin", "")
	go ask(t.Context(), waiter, "select 1") //nolint:errcheck // it waits to the end
	w.expect("waiting 1", "postgres")
	w.press("2")
	w.expect("APPLICATION", "waiting")
	w.resize(60, 12)
	w.expect("2 clients", "1 pool")
	w.press("?")
	w.expect("any key goes back")
	w.press("x/wait\r")
	w.expect("/wait")

	p.Signal(syscall.SIGINT)
	p.wait(t)
	w.expect("reconnecting")
	w.press("\x1b")
	startWatched(t, lab.PorteroOptions{Config: config, Address: p.Address, Admin: p.Admin})
	eventually(t, func() error {
		if text := w.text(); strings.Contains(text, "reconnecting") || !strings.Contains(text, "  ready") {
			return fmt.Errorf("the page has not come back:\n%s", text)
		}
		return nil
	})
	w.press("q")
	if status := w.ended(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
