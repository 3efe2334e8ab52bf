package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"portero/internal/lab"
	"portero/internal/page"
)

// machine is where and with what everything was measured.
type machine struct {
	cpu, kernel string
	cores       int
	versions    []string
}

// describeMachine asks the machine and the programs. What cannot be learned is left empty.
func describeMachine(o options) machine {
	m := machine{cpu: page.Processor(), cores: runtime.NumCPU(), kernel: page.Kernel()}
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
