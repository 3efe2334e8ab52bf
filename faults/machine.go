package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"portero/internal/lab"
)

// machine is where and with what everything was measured.
type machine struct {
	cpu, kernel string
	cores       int
	versions    []string
}

// describeMachine asks the machine and the programs. What cannot be learned is left empty.
func describeMachine(o options) machine {
	m := machine{cpu: processorName(), cores: runtime.NumCPU(), kernel: kernelRelease()}
	programs := [][]string{{o.portero, "version"}, {"etcd", "--version"}, {"patroni", "--version"},
		{"/usr/sbin/haproxy", "-v"}, {"/usr/sbin/pgbouncer", "--version"}}
	if bin, err := lab.PostgresBin(); err == nil {
		programs = append(programs, []string{bin + "/postgres", "--version"})
	}
	for _, argv := range programs {
		if out, err := exec.Command(argv[0], argv[1:]...).Output(); err == nil {
			line, _, _ := strings.Cut(string(out), "\n")
			m.versions = append(m.versions, strings.TrimSpace(line))
		}
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s; %s", m.cpu, m.cores, m.kernel, strings.Join(m.versions, "; "))
}

func processorName() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "processor unknown"
}

func kernelRelease() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "kernel unknown"
	}
	return "Linux " + unix.ByteSliceToString(name.Release[:])
}
