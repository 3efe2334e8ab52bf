package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gdamore/tcell/v3/vt"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal in which the program runs, and an emulator that shows what it
// writes and answers what it asks.
type terminal struct {
	t        *testing.T
	program  *exec.Cmd
	master   *os.File
	slave    *os.File
	before   unix.Termios // as the terminal was
	emulator vt.MockTerm
	done     sync.WaitGroup

	mu  sync.Mutex // guards what follows
	raw bytes.Buffer
}

// inTerminal starts the program in a terminal of a size; it ends with the test at the latest.
func inTerminal(t *testing.T, width, height int, args ...string) *terminal {
	t.Helper()
	w := &terminal{t: t, emulator: vt.NewMockTerm(vt.MockOptSize{X: vt.Col(width), Y: vt.Row(height)})}
	w.open(width, height)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.emulator.Start(); err != nil {
		t.Fatal(err)
	}
	w.program = exec.Command(self, args...)
	w.program.Env = []string{asProgram + "=1", "TERM=xterm-256color", "LANG=C.UTF-8"}
	w.program.Stdin, w.program.Stdout, w.program.Stderr = w.slave, w.slave, w.slave
	w.program.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := w.program.Start(); err != nil {
		t.Fatal(err)
	}
	w.done.Add(2)
	go w.show()
	go w.answer()
	t.Cleanup(w.close)
	return w
}

func (w *terminal) open(width, height int) {
	w.t.Helper()
	check := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) // so that close ends a read
	check(err)
	w.master = os.NewFile(uintptr(fd), "ptmx")
	check(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	check(err)
	check(unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)}))
	w.slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	check(err)
	w.before = w.settings()
}

// settings are those of the terminal now.
func (w *terminal) settings() unix.Termios {
	w.t.Helper()
	s, err := unix.IoctlGetTermios(int(w.slave.Fd()), unix.TCGETS)
	if err != nil {
		w.t.Fatal(err)
	}
	return *s
}

// show has the emulator show what the program writes.
func (w *terminal) show() {
	defer w.done.Done()
	buf := make([]byte, 4096)
	for {
		n, err := w.master.Read(buf)
		if err != nil {
			return
		}
		w.mu.Lock()
		w.raw.Write(buf[:n])
		w.mu.Unlock()
		w.emulator.Write(buf[:n]) //nolint:errcheck // it has been stopped
	}
}

// answer hands the program what the emulator answers to its questions.
func (w *terminal) answer() {
	defer w.done.Done()
	buf := make([]byte, 256)
	for {
		n, err := w.emulator.Read(buf)
		if err != nil {
			return
		}
		w.master.Write(buf[:n]) //nolint:errcheck // it has gone
	}
}

// press types.
func (w *terminal) press(keys string) {
	w.t.Helper()
	if _, err := w.master.WriteString(keys); err != nil {
		w.t.Fatal(err)
	}
}

// text is what stands on the screen.
func (w *terminal) text() string {
	size, err := w.emulator.WindowSize()
	if err != nil {
		w.t.Fatal(err)
	}
	var b strings.Builder
	for y := range size.Height {
		line := ""
		for x := range size.Width {
			c := w.emulator.GetCell(vt.Coord{X: vt.Col(x), Y: vt.Row(y)}).C
			if c == "" {
				c = " "
			}
			line += c
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// expect waits until texts stand on the screen.
func (w *terminal) expect(texts ...string) {
	w.t.Helper()
	eventually(w.t, func() error {
		for _, text := range texts {
			if shown := w.text(); !strings.Contains(shown, text) {
				return fmt.Errorf("%q is not on the screen:\n%s", text, shown)
			}
		}
		return nil
	})
}

// hides waits until what is typed is not shown.
func (w *terminal) hides() {
	w.t.Helper()
	eventually(w.t, func() error {
		if w.settings().Lflag&unix.ECHO != 0 {
			return errors.New("the terminal shows what is typed")
		}
		return nil
	})
}

// resize makes the window another.
func (w *terminal) resize(width, height int) {
	w.t.Helper()
	w.emulator.SetSize(vt.Coord{X: vt.Col(width), Y: vt.Row(height)})
	if err := unix.IoctlSetWinsize(int(w.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)}); err != nil {
		w.t.Fatal(err)
	}
}

// ended waits for the program's end, and looks whether the terminal is as it was.
func (w *terminal) ended() (status int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { w.program.Process.Kill() }) //nolint:errcheck // it has ended
	defer stop()
	w.program.Wait() //nolint:errcheck // its status is looked at
	w.isAsItWas()
	return w.program.ProcessState.ExitCode()
}

// isAsItWas fails if a program has left something of its own on the terminal.
func (w *terminal) isAsItWas() {
	w.t.Helper()
	if now := w.settings(); now != w.before {
		w.t.Errorf("the terminal is left as %+v, and was %+v", now, w.before)
	}
	eventually(w.t, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for on, off := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?25l": "\x1b[?25h"} {
			if bytes.LastIndex(w.raw.Bytes(), []byte(off)) < bytes.LastIndex(w.raw.Bytes(), []byte(on)) {
				return fmt.Errorf("%q is not taken back by %q", on, off)
			}
		}
		return nil
	})
}

// isTaken waits until the program has taken the terminal so many times.
func (w *terminal) isTaken(times int) {
	w.t.Helper()
	eventually(w.t, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := bytes.Count(w.raw.Bytes(), []byte("\x1b[?1049h")); n != times {
			return fmt.Errorf("the program has taken the terminal %d times, want %d", n, times)
		}
		return nil
	})
}

func (w *terminal) close() {
	w.program.Process.Kill() //nolint:errcheck // it has ended
	w.program.Wait()         //nolint:errcheck // likewise
	w.slave.Close()
	w.master.Close()
	w.emulator.Stop() //nolint:errcheck // it is not used again
	w.done.Wait()
}
