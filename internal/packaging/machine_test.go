package packaging

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
)

// machine is a Debian of its own as far as what runs in it can tell: systemd as process 1, over
// a copy of this machine's files that nothing comes back from, with no network but its own
// loopback. It needs root, and a kernel with cgroup version 2. With this program it ends, and
// with it all that it has changed.
type machine struct {
	t     *testing.T
	init  int    // process 1, by its ID here
	share string // folder that the machine has as /srv/share
	boot  string // what process 1 has printed
}

//go:embed testdata/boot
var bootScript string

// commandLimit is for a command in the machine, on a busy one.
const commandLimit = 60 * time.Second

// startMachine boots; the machine ends with the test.
func startMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, share: filepath.Join(dir, "share"), boot: filepath.Join(dir, "console")}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(m.share, 0o755), os.Mkdir(filepath.Join(dir, "mnt"), 0o755)); err != nil {
		t.Fatal(err)
	}
	console, err := os.Create(m.boot)
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	cgroup := fmt.Sprintf("portero-test-%d", os.Getpid())
	machine := exec.Command("unshare", "--mount", "--", "bash", "-c", bootScript, "boot", dir, cgroup)
	machine.Stdout, machine.Stderr = console, console
	alive, err := machine.StdinPipe() // closed by the kernel if this program dies
	if err == nil {
		err = machine.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { alive.Close() })
	t.Cleanup(func() { m.end(machine, cgroup) })
	lab.Eventually(t, "boot a machine with systemd", func() error { return m.hasBooted(machine.Process.Pid) })
	return m
}

// hasBooted finds process 1 among the children of what has made its namespaces, and asks
// systemd.
func (m *machine) hasBooted(outer int) error {
	console, _ := os.ReadFile(m.boot) // for the error alone
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", outer, outer))
	if err != nil {
		return fmt.Errorf("%w: %s", err, console)
	}
	for _, child := range strings.Fields(string(children)) {
		if name, _ := os.ReadFile("/proc/" + child + "/comm"); string(name) == "systemd\n" {
			m.init, _ = strconv.Atoi(child) // a number, by the kernel
		}
	}
	if m.init == 0 {
		return fmt.Errorf("systemd does not run: %s", console)
	}
	if out, err := m.try("systemctl", "is-active", "test.target"); err != nil {
		return fmt.Errorf("%s: %w: %s", out, err, console)
	}
	return nil
}

// end ends every process of the machine, by its first one, and gives back what is left: its
// cgroup. Its files are gone with its last process.
func (m *machine) end(machine *exec.Cmd, cgroup string) {
	if m.t.Failed() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		const tell = "systemctl status --no-pager --lines=0 portero; journalctl --no-pager --lines=40"
		out, _ := m.commandWithin(ctx, "sh", "-c", tell).CombinedOutput() // as far as it goes
		console, _ := os.ReadFile(m.boot)
		m.t.Logf("journal of the machine:\n%s\nconsole:\n%s", out, console)
	}
	if m.init > 0 {
		syscall.Kill(m.init, syscall.SIGKILL) //nolint:errcheck // it may be gone
	}
	machine.Process.Kill() //nolint:errcheck // likewise
	machine.Wait()         //nolint:errcheck // it was killed
	const remove = `mount -t cgroup2 cgroup2 "$0" && find "$0/$1" -depth -type d -exec rmdir {} +`
	lab.Eventually(m.t, "remove the machine's cgroup", func() error {
		out, err := exec.Command("unshare", "--mount", "--", "bash", "-c", remove, m.share, cgroup).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// command is one to be run in the machine, as root.
func (m *machine) command(args ...string) *exec.Cmd { return m.commandWithin(m.t.Context(), args...) }

func (m *machine) commandWithin(ctx context.Context, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(m.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/", "--",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", "PGPASSWORD=secret"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.WaitDelay = time.Second // what is left of it ends with the machine
	return cmd
}

// try runs a command in the machine and returns what it printed.
func (m *machine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), commandLimit)
	defer cancel()
	out, err := m.commandWithin(ctx, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// run is try for what has to work.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// sh runs a line of shell, which has to work.
func (m *machine) sh(line string) string {
	m.t.Helper()
	return m.run("sh", "-ec", line)
}

// copy puts a file of this machine into the shared folder, and returns its path there.
func (m *machine) copy(path string) string {
	m.t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(filepath.Join(m.share, filepath.Base(path)), text, 0o644)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return "/srv/share/" + filepath.Base(path)
}

// property is what systemd says of portero.service.
func (m *machine) property(name string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "--value", "--property="+name, "portero.service")
}
