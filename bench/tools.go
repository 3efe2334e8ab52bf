package main

import (
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
	newer                       bool                // pgbouncer knows prepared statements
	ordinary                    *syscall.Credential // for programs that refuse to run as root; nil if we are not root
}

// findTools looks the programs up. PostgreSQL itself must be there, the proxies may be missing.
// newer is a PgBouncer that is taken before the system's.
func findTools(portero, before, newer string) (tools, error) {
	t := tools{
		pgbouncer: findProgram("pgbouncer"),
		haproxy:   findProgram("haproxy"),
	}
	if err := t.findPostgres(); err != nil {
		return t, err
	}
	t.portero, t.before = findBuild(portero), findBuild(before)
	if newer := findBuild(newer); newer != "" {
		t.pgbouncer, t.newer = newer, true
	}
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
