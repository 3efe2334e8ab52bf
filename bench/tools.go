package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// tools are the programs a run needs; "" is one that is missing.
type tools struct {
	postgres, pgbench           string
	pgbouncer, haproxy, portero string
	before                      string              // another build of portero
	newer                       bool                // pgbouncer knows prepared statements (1.21)
	ordinary                    *syscall.Credential // for programs that refuse to run as root; nil if we are not root
}

// newerPgBouncer is where scripts/pgbouncer puts one; it is taken before the system's.
const newerPgBouncer = "bin/newer/pgbouncer"

// findTools looks the programs up. PostgreSQL itself must be there, and the PgBouncer that is
// named, if one is; the proxies may be missing.
func findTools(ctx context.Context, portero, before, pgbouncer string) (tools, error) {
	t := tools{haproxy: findProgram("haproxy")}
	if err := t.findPgBouncer(ctx, pgbouncer); err != nil {
		return t, err
	}
	if err := t.findPostgres(); err != nil {
		return t, err
	}
	t.portero, t.before = findBuild(portero), findBuild(before)
	if os.Geteuid() != 0 {
		return t, nil
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		return t, fmt.Errorf("PostgreSQL and PgBouncer refuse to run as root: %w", err)
	}
	uid, err1 := strconv.ParseUint(owner.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(owner.Gid, 10, 32)
	t.ordinary = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return t, errors.Join(err1, err2)
}

// findPgBouncer takes the one that is named, or else the best there is.
func (t *tools) findPgBouncer(ctx context.Context, named string) error {
	switch {
	case named != "":
		if t.pgbouncer = findBuild(named); t.pgbouncer == "" {
			return fmt.Errorf("-pgbouncer: there is no program %s", named)
		}
	case findBuild(newerPgBouncer) != "":
		t.pgbouncer = findBuild(newerPgBouncer)
	default:
		t.pgbouncer = findProgram("pgbouncer")
	}
	if t.pgbouncer == "" {
		return nil
	}
	text, err := runTool(ctx, "", nil, t.pgbouncer, "--version")
	if err == nil {
		t.newer, err = knowsPrepared(text)
	}
	return err
}

// knowsPrepared tells from what a PgBouncer says of its version whether it keeps prepared
// statements in transaction mode, as 1.21 began to.
func knowsPrepared(version string) (bool, error) {
	var major, minor int
	if _, err := fmt.Sscanf(version, "PgBouncer %d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("the version of PgBouncer, %q: %w", version, err)
	}
	return major > 1 || minor >= 21, nil
}

// findBuild makes a path absolute, because children run in a directory of their own.
func findBuild(path string) string {
	if path, err := filepath.Abs(path); err == nil && isExecutable(path) {
		return path
	}
	return ""
}

// findProgram also looks where Debian puts daemons, which an ordinary user's PATH leaves out.
func findProgram(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path := "/usr/sbin/" + name; isExecutable(path) {
		return path
	}
	return ""
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// raiseFileLimit sets the soft limit of open files to the hard one, for us and for the
// children, and returns it. Setting it explicitly matters: what the Go runtime raises by
// itself it lowers again in children.
func raiseFileLimit() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	const wanted = 65536
	higher := syscall.Rlimit{Cur: max(limit.Max, wanted), Max: max(limit.Max, wanted)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil { // root, mostly
		return int(higher.Cur), nil
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raise the limit of open files: %w", err)
	}
	return int(limit.Cur), nil
}
