package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// processCPU is the CPU time that all threads of a process have used, also those that have
// ended, to the nanosecond.
//
// It reads the process's own CPU clock. /proc/PID/stat counts in ticks of 10 ms, and
// /proc/PID/task/*/schedstat forgets a thread that ends between two readings.
func processCPU(pid int) (time.Duration, error) {
	// What clock_getcpuclockid(3) makes of a pid: its complement, shifted, and the clock
	// of the scheduler (2) in the low bits.
	const schedulerClock = 2
	clock := int32(^pid)<<3 | schedulerClock
	var used unix.Timespec
	if err := unix.ClockGettime(clock, &used); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

// socketCaches are those out of which the kernel takes what it keeps for an open connection of
// TCP that somebody waits for.
var socketCaches = []string{"TCP", "sock_inode_cache", "filp", "eventpoll_epi"}

// socketMemory is what the kernel of this machine has taken out of socketCaches, in bytes; 0
// where that is not to be read. It is everybody's, so that only large differences tell.
func socketMemory() (int64, error) {
	text, err := os.ReadFile("/proc/slabinfo")
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) { // who is not root, or in a container
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return takenOf(text, socketCaches)
}

// takenOf adds up objects in use times their size, of caches in a slabinfo(5).
func takenOf(text []byte, caches []string) (total int64, err error) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) < 4 || !slices.Contains(caches, string(fields[0])) {
			continue
		}
		objects, err1 := strconv.ParseInt(string(fields[1]), 10, 64)
		size, err2 := strconv.ParseInt(string(fields[3]), 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, fmt.Errorf("slabinfo: %q: %w", line, err)
		}
		total += objects * size
	}
	return total, nil
}

// processMemory is the proportional set size of a process in bytes: unlike VmRSS, which the
// kernel sums up lazily, it is exact. Memory of the kernel (sockets) is not in it.
func processMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte("Pss:"))
		if !found {
			continue
		}
		rest, _ = bytes.CutSuffix(bytes.TrimSpace(rest), []byte(" kB"))
		kilobytes, err := strconv.ParseInt(string(rest), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("smaps_rollup of process %d: %w", pid, err)
		}
		return kilobytes << 10, nil
	}
	return 0, fmt.Errorf("smaps_rollup of process %d has no Pss", pid)
}
