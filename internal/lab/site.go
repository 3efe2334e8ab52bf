package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// site is the directory of a lab and the processes that work below it.
type site struct {
	owner owner
	dir   string
	ports []int // reserved, released by close

	startedMu sync.Mutex
	started   []*process // direct children, dead ones too
	watcher   *exec.Cmd
	alive     io.Closer // the watcher's pipe: ends when this program does
}

func newSite() (*site, error) {
	o, err := serverOwner()
	if err != nil {
		return nil, err
	}
	return newSiteOf(o)
}

// newSiteOf makes a site whose processes run as its owner.
func newSiteOf(o owner) (*site, error) {
	dir, err := os.MkdirTemp(o.tempDir(), "portero-lab-")
	if err != nil {
		return nil, err
	}
	s := &site{owner: o, dir: dir}
	if err := errors.Join(o.own(dir), s.watch()); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// path names a file or directory of the site.
func (s *site) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// makeDir makes a directory of the site that only its owner can read.
func (s *site) makeDir(elem ...string) (string, error) {
	dir := s.path(elem...)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, s.owner.own(dir)
}

// writeFile writes a file of the site that only its owner can read.
func (s *site) writeFile(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return s.owner.own(path)
}

// takePorts fills what is missing of given up to n with ports reserved for the site.
func (s *site) takePorts(given []int, n int) ([]int, error) {
	if len(given) > n {
		return nil, fmt.Errorf("%d ports given, %d wanted", len(given), n)
	}
	free, err := ReservePorts(n - len(given))
	if err != nil {
		return nil, err
	}
	s.ports = append(s.ports, free...)
	return append(append([]int(nil), given...), free...), nil
}

// working lists the processes whose working directory is dir or below it.
func working(dir string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		cwd, err := os.Readlink("/proc/" + entry.Name() + "/cwd")
		if err != nil {
			continue // gone, a zombie, or another user's
		}
		if cwd == dir || strings.HasPrefix(cwd, dir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// endAll sends first to all that works below dir until nothing does, and SIGKILL from patience on.
func endAll(dir string, first syscall.Signal, patience time.Duration) {
	sig, began := first, time.Now()
	for {
		pids := working(dir)
		if len(pids) == 0 {
			return
		}
		if time.Since(began) >= patience {
			sig = syscall.SIGKILL
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, sig)
		}
		time.Sleep(pollEvery / 4) // between two looks at /proc, which announces nothing
	}
}

// close ends all processes, removes the directory and releases the ports. SIGQUIT lets
// postmasters take their shared memory with them.
func (s *site) close() error {
	endAll(s.dir, syscall.SIGQUIT, 2*time.Second)
	for _, p := range s.started {
		<-p.exited
	}
	s.removeSharedMemory()
	err := os.RemoveAll(s.dir)
	s.alive.Close()
	_ = s.watcher.Wait() // finds nothing left to do
	releasePorts(s.ports)
	return err
}

// watcherScript waits for the end of its input, which is the end of the program, and clears
// up if the directory is still there.
const watcherScript = `
read -r _
signal() {
	found=
	for p in /proc/[0-9]*; do
		case "$(readlink "$p/cwd")" in "$1" | "$1"/*) kill -"$2" "${p#/proc/}" && found=yes ;; esac
	done
}
[ -d "$1" ] || exit 0
signal "$1" QUIT
sleep 0.5
for i in 1 2 3 4 5 6 7 8 9 10; do
	signal "$1" KILL
	[ "$found" ] || break
	sleep 0.1
done
rm -rf "$1"
`

func (s *site) watch() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	s.watcher = exec.Command("/bin/sh", "-c", watcherScript, "portero-lab-watcher", s.dir)
	s.watcher.Dir = "/"
	s.watcher.Stdin = r
	s.watcher.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of a terminal's Ctrl-C
	if err := s.watcher.Start(); err != nil {
		w.Close()
		return err
	}
	s.alive = w
	return nil
}
