package main

import "fmt"

// What Portero is to reach, compared with the others in the same run.
const (
	aimPgBouncer = 1.15 // CPU per transaction, as a multiple of PgBouncer's
	aimPrepared  = 1.00 // the same, in mode prepared
	aimChain     = 0.60 // the same, of HAProxy's and PgBouncer's together
	aimBefore    = 1.05 // the same, of another build's
	aimIdle      = 1024 // bytes per idle client
	manyClients  = 256  // on poolSize servers: the length of the tail
	aimBeside    = 2.0  // p99 beside a reader on the same loop, as a multiple of beside one elsewhere
)

// verdicts are the lines of "To reach", each with its figure.
func (r report) verdicts() []string {
	var lines []string
	for _, mode := range []string{"simple", "extended"} {
		for _, clients := range []int{16, 64} {
			lines = append(lines, r.cpuVerdict(mode, clients, pgbouncerName, aimPgBouncer))
		}
		for _, clients := range []int{16, 64} {
			lines = append(lines, r.cpuVerdict(mode, clients, haproxyName, aimChain))
		}
		for _, clients := range []int{1, 16, 64, manyClients} {
			lines = append(lines, r.cpuVerdict(mode, clients, beforeName, aimBefore))
		}
	}
	for _, clients := range []int{16, 64} {
		lines = append(lines, r.cpuVerdict("prepared", clients, pgbouncerName, aimPrepared))
	}
	for _, c := range r.memory {
		if c.chain == porteroName || c.chain == porteroAutoName {
			lines = append(lines, verdict(c.fresh <= aimIdle,
				"memory per idle client, %s: %.0f bytes at %d clients, at most %d (%.0f after one transaction each)",
				label(c.chain), c.fresh, c.clients, aimIdle, c.used))
		}
	}
	for _, mode := range []string{"simple", "extended"} {
		lines = append(lines, r.tailVerdict(mode))
	}
	for _, encrypted := range []bool{false, true} {
		lines = append(lines, r.fairnessVerdict(encrypted))
	}
	return present(lines)
}

// cpuVerdict compares the CPU of one loop with that of another chain.
func (r report) cpuVerdict(mode string, clients int, chain string, aim float64) string {
	ours, found := r.load[cell{mode, clients, porteroName}]
	theirs, foundToo := r.load[cell{mode, clients, chain}]
	if !found || !foundToo {
		return ""
	}
	ratio := ours.cpu / theirs.cpu
	return verdict(ratio <= aim, "CPU per transaction, one loop, %s, %d clients: %.1f µs = %.2f x %s's %.1f, at most %.2f x",
		mode, clients, ours.cpu, ratio, label(chain), theirs.cpu, aim)
}

// tailVerdict compares the tail with many clients on few servers.
func (r report) tailVerdict(mode string) string {
	ours, found := r.load[cell{mode, manyClients, porteroName}]
	theirs, foundToo := r.load[cell{mode, manyClients, pgbouncerName}]
	if !found || !foundToo {
		return ""
	}
	return verdict(ours.spread <= theirs.spread, "p99/p50, one loop, %s, %d clients on %d servers: %.2f (p99 %.0f µs), at most pgbouncer's %.2f (p99 %.0f µs)",
		mode, manyClients, poolSize, ours.spread, ours.p99, theirs.spread, theirs.p99)
}

// fairnessVerdict compares the latency beside a reader on the same loop with that beside one
// that keeps the machine as busy through another Portero.
func (r report) fairnessVerdict(encrypted bool) string {
	same, found := r.beside(place{reading: true, encrypted: encrypted, near: true})
	apart, foundToo := r.beside(place{reading: true, encrypted: encrypted})
	if !found || !foundToo {
		return ""
	}
	ratio := same.p99 / apart.p99
	return verdict(ratio <= aimBeside, "p99 of `select 1` on one loop beside a client that reads %d MB %s: %.0f µs = %.2f x the %.0f µs beside one of another Portero, at most %.1f x",
		r.result, same.way(), same.p99, ratio, apart.p99, aimBeside)
}

// verdict writes one line.
func verdict(reached bool, format string, args ...any) string {
	word := "short"
	if reached {
		word = "pass"
	}
	return fmt.Sprintf("- **%s**: ", word) + fmt.Sprintf(format, args...)
}

// present drops the lines of what was not measured.
func present(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}
