package packaging

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
)

// The life of a package, as an administrator has it: installed, configured, upgraded under load,
// upgraded with a configuration that is broken, removed and purged.
func TestThePackageIsInstalledUpgradedUnderLoadAndRemoved(t *testing.T) {
	first := filepath.Join(folder(t), "package.deb")
	packages := buildAll(t.TempDir(), "1.1", "1.2")
	m := startMachine(t)
	m.startPostgres()
	before := m.traces()

	m.install(first)
	m.expectInstalled()
	m.configure()
	m.expectReloads()
	m.expectVersion("1.0")

	load := m.startLoad()
	former := m.property("MainPID")
	if said := m.install(packages["1.1"].wait(t)); !strings.Contains(said, "portero 1.1 (pid ") {
		t.Errorf("the upgrade says %q", said)
	}
	m.expectVersion("1.1")
	second := m.property("MainPID")
	if second == former {
		t.Errorf("the main process is still %s", former)
	}
	load.goesOn()

	m.sh("echo 'broken = 1' >>/etc/portero/proxy.toml")
	if said := m.install(packages["1.2"].wait(t)); !strings.Contains(said, "the version before goes on") || !strings.Contains(said, "broken") {
		t.Errorf("the upgrade with a broken configuration says %q", said)
	}
	m.expectVersion("1.1")
	if now := m.property("MainPID"); now != second {
		t.Errorf("the main process was %s and is %s", second, now)
	}
	load.goesOn()

	m.sh("sed -i '/broken/d' /etc/portero/proxy.toml && portero upgrade --config /etc/portero/proxy.toml")
	m.expectVersion("1.2")
	load.goesOn()
	load.end()
	if text := m.sh("cat /etc/portero/proxy.toml"); !strings.Contains(text, edit) {
		t.Errorf("what was edited is gone:\n%s", text)
	}
	m.expectSupervised()

	m.sh("portero upgrade --config /etc/portero/proxy.toml")
	m.run("dpkg", "--remove", "portero")
	m.expectEndedInGoodOrder()
	m.expectRemoved()
	m.run("dpkg", "--purge", "portero")
	if left := slices.DeleteFunc(m.traces(), func(path string) bool { return slices.Contains(before, path) }); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
	m.run("id", "portero") // may still own files, and is kept
}

// startPostgres has Debian's PostgreSQL serve role and database app.
func (m *machine) startPostgres() {
	m.t.Helper()
	bin, err := lab.PostgresBin()
	if err != nil {
		m.t.Fatal(err)
	}
	version := filepath.Base(filepath.Dir(bin))
	m.sh("pg_createcluster " + version + " test --port=5432 -o fsync=off && systemctl start postgresql@" + version + "-test")
	m.sh(`runuser -u postgres -- psql -q -p 5432 -c "create role app login password 'secret'" -c 'create database app owner app'`)
}

// install has dpkg install a package, and returns what it says.
func (m *machine) install(path string) string {
	m.t.Helper()
	return m.run("dpkg", "--install", m.copy(path))
}

// edit is a line by which the administrator's own file is known.
const edit = "stats_users = [\"app\"]"

// configure lets the role in, which is noticed without a word.
func (m *machine) configure() {
	m.t.Helper()
	m.sh(`sed -i 's/^\[admin\]/&\n` + edit + `/' /etc/portero/proxy.toml`)
	m.sh(`echo '"app" "secret"' >>/etc/portero/userlist.txt && systemctl reload portero`)
	lab.Eventually(m.t, "log in through portero", func() error {
		_, err := m.try("psql", "-h", "127.0.0.1", "-p", "6432", "-U", "app", "-Atc", "select 1", "app")
		return err
	})
}

func (m *machine) expectInstalled() {
	m.t.Helper()
	for _, c := range []struct{ line, want string }{
		{"systemctl is-active portero", "active"},
		{"systemctl is-enabled portero", "enabled"},
		{"stat -c '%a %U:%G' /etc/portero/proxy.toml", "640 root:portero"},
		{"stat -c '%a %U:%G' /etc/portero/userlist.txt", "640 root:portero"},
		{"stat -c '%a %U:%G' /run/portero/takeover.sock", "600 portero:portero"},
		{"getent passwd portero | cut -d: -f6-", "/nonexistent:/usr/sbin/nologin"},
		{"ps -o user= -p $(systemctl show --value -p MainPID portero)", "portero"},
		{"grep -h -e NoNewPrivs -e CapEff /proc/$(systemctl show --value -p MainPID portero)/status | tr -d '\\n\\t'", "CapEff:0000000000000000NoNewPrivs:1"},
		{"systemctl show --value -p LimitNOFILE portero", "65536"}, // unless the kernel has a lower bound
		{"systemd-analyze verify portero.service", ""},
		{"systemd-analyze security --offline=yes --threshold=20 --no-pager portero.service >/tmp/security || cat /tmp/security", ""},
		{"portero version | cut -d' ' -f1-2", "portero 1.0"},
		{"man -w portero", "/usr/share/man/man1/portero.1.gz"},
	} {
		if got := m.sh(c.line); got != c.want {
			m.t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
	}
}

// expectReloads reloads a configuration with a fault, which is refused, and one without.
func (m *machine) expectReloads() {
	m.t.Helper()
	m.sh("cp -p /etc/portero/proxy.toml /tmp/good && echo 'broken = 1' >>/etc/portero/proxy.toml")
	if _, err := m.try("systemctl", "reload", "portero"); err == nil {
		m.t.Error("a broken configuration was taken")
	}
	m.sh("cp -p /tmp/good /etc/portero/proxy.toml && systemctl reload portero && systemctl is-active portero")
}

// expectVersion asks the Portero that runs.
func (m *machine) expectVersion(want string) {
	m.t.Helper()
	const ask = `exec 3<>/dev/tcp/127.0.0.1/9632 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && grep ^portero_build_info <&3`
	lab.Eventually(m.t, "ask portero for its version", func() error {
		got, err := m.try("bash", "-c", ask)
		if err == nil && !strings.Contains(got, `version="`+want+`"`) {
			err = fmt.Errorf("%q, want %s", got, want)
		}
		return err
	})
}

// expectSupervised kills a main process that systemd has not started itself.
func (m *machine) expectSupervised() {
	m.t.Helper()
	lab.Eventually(m.t, "the processes of before have ended", func() error {
		main, all := m.property("MainPID"), m.sh("cat /sys/fs/cgroup/system.slice/portero.service/cgroup.procs")
		if main != all {
			return fmt.Errorf("main process %s, processes %s", main, strings.Fields(all))
		}
		return nil
	})
	m.sh("kill -KILL $(systemctl show --value -p MainPID portero)")
	lab.Eventually(m.t, "systemd starts it again", func() error {
		if n := m.property("NRestarts"); n != "1" {
			return fmt.Errorf("%s restarts", n)
		}
		_, err := m.try("systemctl", "is-active", "portero")
		return err
	})
	m.expectVersion("1.2")
}

// expectEndedInGoodOrder is for a main process that systemd has not started: it has to be given
// its time, as any other.
func (m *machine) expectEndedInGoodOrder() {
	m.t.Helper()
	log := m.sh("journalctl --no-pager -o cat -u portero | tail -n 4")
	if !strings.Contains(log, "msg=stopped") || strings.Contains(log, "KILL") {
		m.t.Errorf("the service ended with:\n%s", log)
	}
}

func (m *machine) expectRemoved() {
	m.t.Helper()
	if state, err := m.try("systemctl", "is-active", "portero"); err == nil {
		m.t.Errorf("it is %s", state)
	}
	m.sh("test -e /etc/portero/proxy.toml && test ! -e /usr/bin/portero && test ! -e /run/portero && ! pgrep -x portero")
}

// traces are all files that may have to do with Portero.
func (m *machine) traces() []string {
	m.t.Helper()
	return strings.Fields(m.sh("find /etc /lib /usr/bin /usr/lib/sysusers.d /usr/share/doc /usr/share/man /usr/share/lintian /run /var/lib/systemd /var/log /var/tmp -iname '*portero*'"))
}

// load are clients of pgbench, which give up at their first error and never connect again.
type load struct {
	m    *machine
	run  *exec.Cmd
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *load) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *load) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (m *machine) startLoad() *load {
	m.t.Helper()
	bin, err := lab.PostgresBin()
	if err != nil {
		m.t.Fatal(err)
	}
	pgbench := []string{filepath.Join(bin, "pgbench"), "-h", "127.0.0.1", "-U", "app", "app", "-p"}
	m.run(append(pgbench, "5432", "-i", "-q")...)
	l := &load{m: m}
	l.run = m.command(append(pgbench, "6432", "-c", "20", "-j", "2", "-T", "3600", "-R", "500", "-P", "1", "-M", "prepared", "-N")...)
	l.run.Stdout, l.run.Stderr = l, l
	if err := l.run.Start(); err != nil {
		m.t.Fatal(err)
	}
	l.run.WaitDelay = time.Second // it ends with the machine
	l.goesOn()
	return l
}

// progress are the lines that pgbench prints once a second.
func (l *load) progress() (lines []string) {
	for line := range strings.Lines(l.String()) {
		if strings.HasPrefix(line, "progress:") {
			lines = append(lines, line)
		}
	}
	return lines
}

// goesOn waits until it has worked for a whole second from now on.
func (l *load) goesOn() {
	l.m.t.Helper()
	before := len(l.progress())
	lab.Eventually(l.m.t, "pgbench works", func() error {
		lines := l.progress()
		if len(lines) < before+2 || strings.Contains(lines[len(lines)-1], " 0.0 tps") {
			return fmt.Errorf("it says:\n%s", l)
		}
		return nil
	})
}

// end is for a load that no client of has had an error.
func (l *load) end() {
	l.m.t.Helper()
	l.m.try("pkill", "-INT", "-x", "pgbench") //nolint:errcheck // it may have ended, and then the next lines say it
	err := l.run.Wait()
	status, _ := l.run.ProcessState.Sys().(syscall.WaitStatus)
	text := l.String()
	for _, bad := range []string{"error", "aborted", "fatal", "FATAL"} {
		if strings.Contains(text, bad) {
			l.m.t.Errorf("pgbench has %q", bad)
		}
	}
	for _, line := range l.progress() {
		if !strings.Contains(line, ", 0 failed") {
			l.m.t.Errorf("pgbench: %s", line)
		}
	}
	if err != nil && !status.Signaled() && status.ExitStatus() != 130 || l.m.t.Failed() {
		l.m.t.Errorf("pgbench: %v\n%s", err, text)
	}
}
