package drivers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"portero/internal/lab"
)

// narrow is the program under test but for one file: it takes one byte of a socket each time
// that it reads, whatever is there, and gives it one each time that it writes.
var narrow = sync.OnceValues(func() (string, error) {
	overlay, err := narrowed(filepath.Join(moduleRoot, "loop", "syscall.go"))
	if err != nil {
		return "", err
	}
	return build("narrow", "-overlay", overlay)
})

// moduleRoot is where the module is.
var moduleRoot = must(filepath.Abs("../.."))

// toNarrow are the calls of the kernel for sockets: in the source, and with a byte at most, as
// plain reads and writes, which the kernel counts.
var toNarrow = strings.NewReplacer(
	"unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)",
	"unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), 1)",
	"unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)",
	"unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), 1)",
)

// narrowed writes a file for go build that puts another one in the place of source.
func narrowed(source string) (overlay string, err error) {
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(made, "narrow.go")
	if err := os.WriteFile(replacement, []byte(toNarrow.Replace(string(text))), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: replacement}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(made, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// counts are how often a process has read and written, and how much.
type counts struct{ reads, read, writes, written int }

// calls asks the kernel, which counts neither epoll nor calls that only sockets know.
func calls(t *testing.T, p *lab.Portero) (c counts) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(text), "rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d", &c.read, &c.written, &c.reads, &c.writes); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func (c counts) since(before counts) counts {
	return counts{c.reads - before.reads, c.read - before.read, c.writes - before.writes, c.written - before.written}
}

// expectNarrow fails the test unless the process has read and written bytes by themselves, all
// but the few that are not of a login's end: what wakes a loop, what is logged.
func (c counts) expectNarrow(t *testing.T) {
	t.Helper()
	t.Logf("%+v", c)
	const least = 10_000
	if c.read < least || c.written < least {
		t.Errorf("it has read and written no more than %+v", c)
	}
	if c.read > c.reads*5/4 || c.written > c.writes*5/4 {
		t.Errorf("not one byte at a time: %+v", c)
	}
}
