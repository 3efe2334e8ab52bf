package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// processors are those that this program may use, in two parts: one for a client that reads
// and for the server that answers it, the others for the rest. In production they have
// machines of their own; here the kernel would let them keep a proxy from running, for longer
// than any proxy lets its clients wait. A machine with one processor has no parts.
type processors struct{ all, reading, rest unix.CPUSet }

func splitProcessors() (processors, error) {
	var p processors
	if err := unix.SchedGetaffinity(0, &p.all); err != nil {
		return p, fmt.Errorf("processors: %w", err)
	}
	p.rest = p.all
	if p.all.Count() < 2 {
		p.reading = p.all
		return p, nil
	}
	last := len(p.all)*64 - 1
	for !p.all.IsSet(last) {
		last--
	}
	p.reading.Set(last)
	p.rest.Clear(last)
	return p, nil
}

// use keeps a process, or the calling thread (0) and the children that it starts, to a part.
func use(part *unix.CPUSet, pid int) error {
	if err := unix.SchedSetaffinity(pid, part); err != nil {
		return fmt.Errorf("processors of %d: %w", pid, err)
	}
	return nil
}
