package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"portero/internal/page"
)

// machine is where and with what a run was made.
type machine struct {
	cpu      string
	cores    int
	kernel   string
	versions []string
}

// describeMachine asks the machine and the programs. What cannot be learned is left empty.
func describeMachine(ctx context.Context, t tools) machine {
	m := machine{cpu: page.Processor(), cores: runtime.NumCPU(), kernel: page.Kernel()}
	for _, argv := range [][]string{
		{t.postgres, "--version"}, {t.pgbouncer, "--version"}, {t.haproxy, "-v"}, {t.portero, "version"},
	} {
		if argv[0] == "" {
			continue
		}
		text, err := runTool(ctx, "", nil, argv...)
		if err != nil {
			progress("version unknown: %v", err)
			continue
		}
		line, _, _ := strings.Cut(text, "\n")
		m.versions = append(m.versions, strings.TrimSpace(line))
	}
	m.versions = append(m.versions, runtime.Version())
	return m
}

// noticeOthers remembers how busy the machine is while nothing is measured, at worst.
func (r *report) noticeOthers(ctx context.Context) error {
	total, idle := cpuTicks()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
	}
	laterTotal, laterIdle := cpuTicks()
	busy := 1 - float64(laterIdle-idle)/float64(max(1, laterTotal-total))
	if busy > 0.05 {
		progress("warning: others keep %.0f %% of this machine busy; the figures will suffer", 100*busy)
	}
	r.others = max(r.others, busy)
	return nil
}

// cpuTicks reads the first line of /proc/stat; waiting for disks counts as idle.
func cpuTicks() (total, idle int64) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	for i, field := range fields {
		var ticks int64
		if _, err := fmt.Sscan(field, &ticks); err != nil || i > 8 { // "cpu"; after steal come guests, counted before
			continue
		}
		total += ticks
		if i == 4 || i == 5 {
			idle += ticks
		}
	}
	return total, idle
}
