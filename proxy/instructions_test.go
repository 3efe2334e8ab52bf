//go:build !race

package proxy_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var rewrite = flag.Bool("rewrite", false, "write how many instructions a transaction takes now into "+budgetFile)

const (
	budgetFile = "../testdata/instructions.txt"
	asCounted  = "PORTERO_COUNTED" // the kind of transaction that a process is to be counted at
)

// TestATransactionTakesNoMoreInstructions counts what one transaction costs in the proxy, one
// instruction at a time: a process of its own relays it, with its other threads held. That is
// exact where times are not, so that the path of a transaction cannot become dearer by a little
// with each change. The kernel's part is not in it, nor are calls of it.
//
// A number is for one compiler and one architecture. With another one there is nothing to
// compare: the test says so, and writes down what is then the number. It is not built for the
// race detector, which would count itself. Two processors differ by the few instructions by
// which the runtime copies and compares on them.
func TestATransactionTakesNoMoreInstructions(t *testing.T) {
	if kind := os.Getenv(asCounted); kind != "" {
		beCounted(t, kind)
		return
	}
	budget := readBudget(t)
	for _, kind := range []string{"simple", "extended", "prepared"} {
		n := instructions(t, kind)
		allowed, known := budget.allows(kind)
		switch {
		case testing.CoverMode() != "": // which counts itself, too
			t.Logf("%s: %d instructions, with those that count coverage", kind, n)
		case *rewrite, !known:
			t.Logf("%s: %d instructions, the first number for %s", kind, n, budgetKey(kind))
			budget.set(kind, n)
		case n*100 > allowed*105:
			t.Errorf("%s: %d instructions, %d before; if it has to cost that, and the reason is written down, go test ./proxy -run %s -rewrite",
				kind, n, allowed, t.Name())
		case n*100 < allowed*95:
			t.Logf("%s: %d instructions, %d before; -rewrite keeps what was won", kind, n, allowed)
		}
	}
	budget.write(t)
}

// budget is the lines of the file: compiler, architecture, kind, instructions.
type budget struct {
	lines   []string
	changed bool
}

const budgetHead = "# Instructions of one transaction in the proxy; proxy/instructions_test.go counts them."

func readBudget(t *testing.T) *budget {
	text, err := os.ReadFile(budgetFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	b := &budget{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			b.lines = append(b.lines, strings.TrimSpace(line))
		}
	}
	return b
}

func budgetKey(kind string) string {
	return strings.Join([]string{runtime.Version(), runtime.GOARCH, kind, ""}, " ")
}

func (b *budget) allows(kind string) (n int, known bool) {
	for _, line := range b.lines {
		if rest, ok := strings.CutPrefix(line, budgetKey(kind)); ok {
			n, err := strconv.Atoi(rest)
			return n, err == nil
		}
	}
	return 0, false
}

// set replaces the number of the same kind and architecture, of whatever compiler.
func (b *budget) set(kind string, n int) {
	b.changed = true
	b.lines = slices.DeleteFunc(b.lines, func(line string) bool {
		return strings.Contains(line, " "+runtime.GOARCH+" "+kind+" ")
	})
	b.lines = append(b.lines, budgetKey(kind)+strconv.Itoa(n))
	slices.Sort(b.lines)
}

func (b *budget) write(t *testing.T) {
	if !b.changed {
		return
	}
	text := strings.Join(append([]string{budgetHead}, b.lines...), "\n") + "\n"
	if err := os.WriteFile(budgetFile, []byte(text), 0o644); err != nil {
		t.Logf("not written down: %v", err)
	}
}

// instructions is the median of some transactions, which are all but the same.
func instructions(t *testing.T, kind string) int {
	t.Helper()
	var err error
	for range 3 { // its other threads may have been held in the middle of something that it needs
		var each []int
		if each, err = count(t, kind); err == nil {
			slices.Sort(each)
			t.Logf("%s: %d to %d instructions, %d mostly", kind, each[0], each[len(each)-1], each[len(each)/2])
			return each[len(each)/2]
		}
	}
	t.Fatalf("%s: %v", kind, err)
	return 0
}

// countedTransactions is how many are counted of a kind.
const countedTransactions = 5

// count starts a process and counts the transactions that it does. Only the thread that has
// started it may do so.
func count(t *testing.T, kind string) ([]int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	said := must(os.Create(filepath.Join(t.TempDir(), "said")))(t)
	defer said.Close()
	// With one P no loop naps: whether one does goes by the time that has passed, and it costs
	// 800 instructions less.
	pid, err := syscall.ForkExec("/proc/self/exe", []string{os.Args[0], "-test.run=^" + t.Name() + "$"}, &syscall.ProcAttr{
		Env:   append(os.Environ(), asCounted+"="+kind, "GOGC=off", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1"),
		Files: []uintptr{0, said.Fd(), said.Fd()},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	watchdog := time.AfterFunc(patience, func() { unix.Kill(pid, unix.SIGKILL) })
	defer endTraced(pid)
	defer watchdog.Stop()
	tid, err := awaitBorder(pid)
	if err == nil {
		err = holdOthers(pid, tid)
	}
	var each []int
	if err == nil {
		defer shareProcessor(tid)()
		seen := make(places)
		each, err = countEach(tid, seen)
		seen.tell(t)
	}
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return each, nil
}

// awaitBorder lets the process run up to its first border, and tells which thread is there.
func awaitBorder(pid int) (tid int, err error) {
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
		return 0, fmt.Errorf("it has not begun: %v, %x", err, ws)
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, fmt.Errorf("ptrace: %w", err)
	}
	for tid = pid; ; {
		pass := ws.StopSignal()
		if pass == unix.SIGTRAP || pass == unix.SIGSTOP { // of tracing itself
			pass = 0
		}
		if err := unix.PtraceCont(tid, int(pass)); err != nil && err != unix.ESRCH {
			return 0, fmt.Errorf("ptrace: %w", err)
		}
		for {
			tid, err = unix.Wait4(-pid, &ws, unix.WALL, nil)
			if err != nil || tid == pid && !ws.Stopped() {
				return 0, fmt.Errorf("it has ended: %v, %x", err, ws)
			}
			if ws.Stopped() {
				break
			}
		}
		if ws.StopSignal() == borders {
			return tid, nil
		}
	}
}

// holdOthers stops all threads but one: the runtime's own would come between its instructions.
func holdOthers(pid, tid int) error {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		other, err := strconv.Atoi(task.Name())
		if err != nil || other == tid {
			continue
		}
		var ws unix.WaitStatus
		unix.Tgkill(pid, other, unix.SIGSTOP) //nolint:errcheck // one that has ended is held, too
		if _, err := unix.Wait4(other, &ws, unix.WALL, nil); err != nil {
			return fmt.Errorf("hold thread %d: %w", other, err)
		}
	}
	return nil
}

// shareProcessor puts a thread and the one that counts it on the same processor, where they
// change places for less. What it returns lets the second go again.
func shareProcessor(tid int) (release func()) {
	var before, first unix.CPUSet
	if unix.SchedGetaffinity(0, &before) != nil {
		return func() {}
	}
	for cpu := 0; first.Count() == 0; cpu++ {
		if before.IsSet(cpu) {
			first.Set(cpu)
		}
	}
	for _, id := range []int{tid, 0} {
		unix.SchedSetaffinity(id, &first) //nolint:errcheck // then it takes longer
	}
	return func() { unix.SchedSetaffinity(0, &before) } //nolint:errcheck // it was so before
}

// countEach steps through the thread's part of Portero. With -where seen has the last transaction.
func countEach(tid int, seen places) (each []int, err error) {
	steps, n := false, 0
	for len(each) < countedTransactions+1 {
		if steps {
			err = unix.PtraceSingleStep(tid)
		} else {
			err = unix.PtraceCont(tid, 0)
		}
		var ws unix.WaitStatus
		if err == nil {
			_, err = unix.Wait4(tid, &ws, unix.WALL, nil)
		}
		if err != nil || !ws.Stopped() {
			return nil, fmt.Errorf("it did not go on after %d transactions and %d instructions: %v, %x", len(each), n, err, ws)
		}
		switch ws.StopSignal() {
		case unix.SIGTRAP:
			if n++; *where && len(each) == countedTransactions {
				seen.step(tid)
			}
		case counts:
			steps = true
		case pauses:
			steps = false
		case borders:
			each, n = append(each, n), 0
		}
	}
	return each[1:], nil // the first is what is left of the warming up
}

// endTraced kills the process, and waits for all of its threads.
func endTraced(pid int) {
	unix.Kill(pid, unix.SIGKILL) //nolint:errcheck // it may have ended
	for {
		if _, err := unix.Wait4(-pid, nil, unix.WALL, nil); err != nil && err != unix.EINTR {
			return
		}
	}
}
