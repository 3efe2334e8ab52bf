package lab

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// postmasterFile is what a postmaster.pid says. The file outlives a killed postmaster.
type postmasterFile struct {
	pid          int
	sharedMemory int // SysV segment by which a postmaster knows that an earlier one still lives
}

func readPostmasterFile(dataDir string) (postmasterFile, bool) {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return postmasterFile{}, false
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return postmasterFile{}, false
	}
	f := postmasterFile{pid: pid, sharedMemory: -1}
	if len(lines) > 6 {
		if fields := strings.Fields(lines[6]); len(fields) == 2 {
			if id, err := strconv.Atoi(fields[1]); err == nil {
				f.sharedMemory = id
			}
		}
	}
	return f, true
}

// postmasterPID is the postmaster that works in dataDir, or 0.
func postmasterPID(dataDir string) int {
	f, ok := readPostmasterFile(dataDir)
	if !ok {
		return 0
	}
	cwd, err := os.Readlink("/proc/" + strconv.Itoa(f.pid) + "/cwd")
	if err != nil || cwd != dataDir {
		return 0
	}
	return f.pid
}

// killPostgres kills the postmaster in dataDir first, then all of its children, with SIGKILL,
// and returns when they are gone.
func killPostgres(dataDir string) {
	if pid := postmasterPID(dataDir); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	endAll(dataDir, syscall.SIGKILL, 0)
}

// removeSharedMemory removes the few bytes that a postmaster killed by SIGKILL leaves in the
// kernel, of which there are only so many. All postmasters of the site are gone.
func (s *site) removeSharedMemory() {
	files, err := filepath.Glob(s.path("*", "postmaster.pid"))
	if err != nil {
		return
	}
	deeper, err := filepath.Glob(s.path("*", "*", "postmaster.pid"))
	if err != nil {
		return
	}
	for _, file := range append(files, deeper...) {
		if f, ok := readPostmasterFile(filepath.Dir(file)); ok && f.sharedMemory >= 0 {
			_, _ = unix.SysvShmCtl(f.sharedMemory, unix.IPC_RMID, nil)
		}
	}
}
