package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"portero/internal/lab"
	"portero/internal/page"
)

// circumstances are where, of what and how a run was made, so that a reader can make it again.
type circumstances struct {
	Portero string `json:"portero"` // version and commit
	Machine string `json:"machine"`
	Servers string `json:"servers"` // versions of all other programs
	Patroni string `json:"patroni"` // its settings
	Command string `json:"command"`
}

// describe asks the machine and the programs. What cannot be learned is left out.
func describe(o options) circumstances {
	servers := []string{firstLine("etcd", "--version"), firstLine("patroni", "--version"),
		firstLine("/usr/sbin/haproxy", "-v"), firstLine("/usr/sbin/pgbouncer", "--version")}
	if bin, err := lab.PostgresBin(); err == nil {
		servers = append(servers, firstLine(bin+"/postgres", "--version"))
	}
	return circumstances{
		Portero: strings.TrimPrefix(firstLine(o.portero, "version"), "portero ") + commit(),
		Machine: fmt.Sprintf("%s, %d cores, %s", page.Processor(), runtime.NumCPU(), page.Kernel()),
		Servers: strings.Join(servers, "; "),
		Patroni: fmt.Sprintf("ttl %v, loop_wait %v, retry_timeout %v", o.ttl, o.loopWait, o.retryTimeout),
		Command: "go run ./faults " + strings.Join(os.Args[1:], " "),
	}
}

// firstLine is the first of what a program prints.
func firstLine(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return program + ": " + err.Error()
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// commit is that of the sources, and whether they have been changed since: a build in a
// worktree of git does not know it. The docs, into which this program writes, do not count.
func commit() string {
	sources := []string{"--", ":/", ":(top,exclude)docs"}
	hash, err := exec.Command("git", append([]string{"log", "-1", "--format=%h"}, sources...)...).Output()
	if err != nil {
		return ""
	}
	text := ", commit " + strings.TrimSpace(string(hash))
	changed, err := exec.Command("git", append([]string{"status", "--porcelain"}, sources...)...).Output()
	if err != nil || len(changed) > 0 {
		text += ", changed"
	}
	return text
}
