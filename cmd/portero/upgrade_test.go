package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
	"portero/passage"
)

var succession = regexp.MustCompile(`^portero \S.* \(pid (\d+)\) starts its successor\nportero \S.* \(pid (\d+)\) serves in its place; `)

// upgrade has a Portero start its successor, and returns the process IDs of both.
func (p process) upgrade(t *testing.T) (old, next int) {
	t.Helper()
	stdout, stderr, status := portero("upgrade", "--config", p.Path("proxy.toml"))
	found := succession.FindStringSubmatch(stdout)
	if status != 0 || found == nil {
		t.Fatalf("exit status %d: %s%s", status, stdout, stderr)
	}
	old, _ = strconv.Atoi(found[1]) // digits, by the expression
	next, _ = strconv.Atoi(found[2])
	return old, next
}

// endHeir ends a process that this test has not started itself, and cannot wait for.
func (p process) endHeir(t *testing.T, pid int) {
	t.Helper()
	syscall.Kill(pid, syscall.SIGTERM) //nolint:errcheck // the next line says it
	eventually(t, func() error {
		if c, err := tryConnect(t, p.Address, "postgres"); err == nil {
			hangUp(c)
			return errors.New("clients are still served")
		}
		return nil
	})
}

func TestAnUpgradeStartsTheProgramAnewAndClientsStay(t *testing.T) {
	p := takeable(t, lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}}), "pool_size = 3")
	client := connect(t, p.Address)
	mustAsk(t, client, "set work_mem = '5MB'", "")
	l := startStrain(t, p.Address, 10)
	last := p.PID()
	for range 2 { // a successor starts one in turn
		l.more(t, 10)
		old, next := p.upgrade(t)
		if old != last || next == old {
			t.Errorf("%d was replaced by %d, want %d replaced", old, next, last)
		}
		mustAsk(t, client, "show work_mem", "5MB")
		last = next
	}
	p.expectEnd(t)
	expectOwnProcessGroupAndFiles(t, last)
	l.end(t)
	p.endHeir(t, last)
}

// expectEnd is for the process whose place was taken.
func (p process) expectEnd(t *testing.T) {
	t.Helper()
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d of the first one", status)
	}
}

// expectOwnProcessGroupAndFiles is for a successor: a signal for the group of the process before
// must not be for it, and of its descriptors it has but the standard ones.
func expectOwnProcessGroupAndFiles(t *testing.T, pid int) {
	t.Helper()
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process group %d of process %d, %v", group, pid, err)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, f.Name())) // closed meanwhile
		ours := strings.HasPrefix(link, "/proc/") || strings.HasPrefix(link, "/sys/") || link == os.DevNull
		if n, _ := strconv.Atoi(f.Name()); n > 2 && !ours && (strings.HasPrefix(link, "/") || strings.HasPrefix(link, "pipe:")) {
			t.Errorf("descriptor %d: %s", n, link)
		}
	}
}

// However it fails, the one that runs goes on, and may be asked again.
func TestAnUpgradeThatFailsChangesNothing(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	p := takeable(t, postgres, "")
	client := connect(t, p.Address)
	good := "admin.takeover = \"takeover.sock\"\n" + configText(postgres.Address(), "")
	for _, c := range []struct{ more, want string }{
		{"[pool]\ncolour = 'red'\n", "pool.colour"},                              // refused before anything
		{"[[listener]]\naddress = \"192.0.2.1:5\"\n", "cannot assign requested"}, // known to the successor alone
	} {
		if err := p.Configure(strings.Replace(good, "[pool]\n", "", 1) + c.more); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		stdout, stderr, status := portero("upgrade", "--takeover", p.Path("takeover.sock"))
		if status != notUpgraded || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, "goes on as before") || time.Since(began) > patience {
			t.Errorf("exit status %d: %s%s", status, stdout, stderr)
		}
		mustAsk(t, client, "select 1", "1")
		mustAsk(t, connect(t, p.Address), "select 2", "2")
	}
	if err := p.Configure(good); err != nil {
		t.Fatal(err)
	}
	_, next := p.upgrade(t)
	mustAsk(t, client, "select 3", "3")
	p.expectEnd(t)
	p.endHeir(t, next)
}

func TestOfTwoUpgradesAtOnceNoClientIsLost(t *testing.T) {
	p := takeable(t, lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}}), "pool_size = 3")
	l := startStrain(t, p.Address, 10)
	l.more(t, 10)
	type answer struct {
		stdout, stderr string
		status         int
	}
	answers := make(chan answer, 2)
	for range cap(answers) {
		go func() {
			stdout, stderr, status := portero("upgrade", "--takeover", p.Path("takeover.sock"))
			answers <- answer{stdout, stderr, status}
		}()
	}
	done := 0
	for range cap(answers) {
		a := <-answers
		if a.status == 0 {
			done++
		} else if a.status != notUpgraded || !strings.Contains(a.stderr, "another upgrade is under way") {
			t.Errorf("exit status %d: %s%s", a.status, a.stdout, a.stderr)
		}
	}
	if done == 0 {
		t.Error("none was done")
	}
	l.more(t, 20)
	_, last := p.upgrade(t)
	l.end(t)
	p.expectEnd(t)
	p.endHeir(t, last)
}

func TestAnUpgradeWithNobodyToAsk(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.sock")
	stale := filepath.Join(t.TempDir(), "stale.sock")
	left, err := passage.Listen(stale)
	if err != nil {
		t.Fatal(err)
	}
	left.Close() // and leaves its path
	file := writeFile(t, "proxy.toml", "[auth]\nmethod = 'trust'\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--takeover", none}, "no such file"},
		{[]string{"--takeover", stale}, "connection refused"},
		{[]string{"--config", file}, "takeover is not set"},
		{[]string{file}, "takeover is not set"},
		{[]string{"--config", file, "more"}, "unexpected argument"},
	} {
		_, stderr, status := portero(append([]string{"upgrade"}, c.args...)...)
		if status != nobodyToAsk || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit status %d: %s", c.args, status, stderr)
		}
	}
}

// One that was started to succeed another must not serve where that one was told to end.
func TestAnHeirWithoutAPredecessorDoesNotStart(t *testing.T) {
	t.Setenv(raisedBy, "1")
	path := writeFile(t, "proxy.toml", "[admin]\ntakeover = 'takeover.sock'\naddress = ''\n[auth]\nmethod = 'trust'\n")
	_, stderr, status := portero("serve", "--config", path)
	if status != 1 || !strings.Contains(stderr, "has ended") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}

// One without clients has nothing to wait for, and ends at once.
func TestAnUpgradeOfAnIdlePorteroSaysThatItIsDone(t *testing.T) {
	p := takeable(t, lab.PostgresForTest(t, lab.PostgresOptions{}), "")
	last := p.PID()
	for range 5 {
		old, next := p.upgrade(t)
		if old != last {
			t.Errorf("%d was replaced, want %d", old, last)
		}
		last = next
	}
	p.expectEnd(t)
	p.endHeir(t, last)
}
