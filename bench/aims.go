package main

import (
	"fmt"
	"slices"
)

// What Portero is to reach, compared with the others in the same run.
const (
	aimChain     = 0.45    // CPU per transaction, as a multiple of HAProxy's and PgBouncer's together
	aimLoops     = 1.05    // CPU per transaction with one loop per core, of that with one
	aimSpread    = 1.3     // p99/p50 of manyClients; and no more than PgBouncer's
	aimCrowd     = 1.1     // p99 beside clients at rest, of that without
	aimIdle      = 300.0   // bytes per idle client
	aimIdleTLS   = 12000.0 // the same, with TLS
	aimLogin     = 1.0     // CPU per login, of PgBouncer's
	aimStorm     = 2.0     // p99 in a storm of logins, of that without
	aimTransfer  = 0.95    // bytes per second of CPU, of HAProxy's
	aimEncrypted = 1.0     // CPU per transaction with TLS, of PgBouncer's
	aimBeside    = 2.0     // p99 beside a reader on the same loop, of that beside one elsewhere
	aimBefore    = 1.05    // CPU per transaction, of another build's
)

// aimPgBouncer is CPU per transaction as a multiple of PgBouncer's, by clients.
var aimPgBouncer = map[int]float64{1: 1, 16: 0.9, 64: 0.85, manyClients: 0.85}

// loads are the numbers of clients that there are aims for.
var loads = []int{1, 16, 64, manyClients}

// manyClients on poolSize servers show the length of the tail.
const manyClients = 256

// eachLoad calls do with two chains' figures of each of some numbers of clients, in each mode,
// of which both have figures.
func (r report) eachLoad(ours, theirs string, clients []int, do func(what string, n int, ours, theirs figures) verdict) []verdict {
	var all []verdict
	for _, key := range r.cells() {
		if key.chain != ours || !slices.Contains(clients, key.clients) {
			continue
		}
		if other, found := r.load[cell{key.mode, key.clients, theirs}]; found {
			all = append(all, do(key.mode+", "+counted(key.clients), key.clients, r.load[key], other))
		}
	}
	return all
}

func (r report) pgbouncerVerdicts() []verdict {
	return r.eachLoad(porteroName, pgbouncerName, loads, func(what string, n int, ours, theirs figures) verdict {
		return atMost("CPU per transaction, one loop: "+what, micros(ours.cpu), micros(theirs.cpu).of(pgbouncerName), aimPgBouncer[n])
	})
}

func (r report) haproxyVerdicts() []verdict {
	return r.eachLoad(porteroName, haproxyName, loads, func(what string, _ int, ours, theirs figures) verdict {
		return atMost("CPU per transaction, one loop: "+what, micros(ours.cpu), micros(theirs.cpu).of(haproxyName), aimChain)
	})
}

func (r report) loopVerdicts() []verdict {
	return r.eachLoad(porteroAutoName, porteroName, loads, func(what string, _ int, ours, theirs figures) verdict {
		return atMost(fmt.Sprintf("CPU per transaction, %d loops: %s", r.machine.cores, what),
			micros(ours.cpu).with(", %.0f tps", ours.tps), micros(theirs.cpu).of("one loop").with(", %.0f tps", theirs.tps), aimLoops)
	})
}

func (r report) beforeVerdicts() []verdict {
	return r.eachLoad(porteroName, beforeName, loads, func(what string, _ int, ours, theirs figures) verdict {
		return atMost("CPU per transaction, one loop: "+what, micros(ours.cpu), micros(theirs.cpu).of(beforeName), aimBefore)
	})
}

// tailVerdicts have two aims: what PgBouncer has, and a figure.
func (r report) tailVerdicts() []verdict {
	return r.eachLoad(porteroName, pgbouncerName, []int{manyClients}, func(what string, _ int, ours, theirs figures) verdict {
		tail := func(f figures) figure { return figure{f.spread, fmt.Sprintf("%.2f (p99 %.0f µs)", f.spread, f.p99)} }
		v := atMost(fmt.Sprintf("p99/p50, one loop: %s on %d servers", what, poolSize), tail(ours), tail(theirs).of(pgbouncerName), 1)
		v.reached = v.reached && ours.spread <= aimSpread
		v.aim += fmt.Sprintf(", and %.1f", aimSpread)
		return v
	})
}

func (r report) crowdVerdicts() []verdict {
	if r.crowd == nil {
		return nil
	}
	p99 := func(f figures) figure { return figure{f.p99, number(f.p99, 0) + " µs"} }
	return []verdict{atMost(fmt.Sprintf("p99 of %d clients that work beside %d at rest", crowdWorkers, r.crowd.idle),
		p99(r.crowd.among), p99(r.crowd.alone).with(" alone"), aimCrowd)}
}

// memoryVerdicts hold a client for what it costs at most, before or after its first transaction.
func (r report) memoryVerdicts() []verdict {
	var all []verdict
	for _, c := range r.memory {
		if c.chain != porteroName && c.chain != porteroAutoName {
			continue
		}
		what, aim := "memory of an idle client", aimIdle
		if c.encrypted {
			what, aim = "memory of a client with TLS at rest", aimIdleTLS
		}
		v := verdict{
			reached: c.most() <= aim,
			what:    fmt.Sprintf("%s, %s, of %d", what, label(c.chain), c.clients),
			ours:    number(c.most(), 0) + " bytes", theirs: "-",
			ratio: times(c.most() / aim), aim: "at most " + number(aim, 0) + " bytes",
		}
		if other, found := r.idleOf(pgbouncerName, c.encrypted); found {
			v.theirs = fmt.Sprintf("%s %.0f bytes", pgbouncerName, other.most())
		}
		all = append(all, v)
	}
	return all
}

// idleOf finds what an idle client costs a chain.
func (r report) idleOf(chain string, encrypted bool) (idleCost, bool) {
	for _, c := range r.memory {
		if c.chain == chain && c.encrypted == encrypted {
			return c, true
		}
	}
	return idleCost{}, false
}

func (r report) loginVerdicts() []verdict {
	var all []verdict
	for _, d := range doors {
		ours, found := r.logins[entrance{porteroName, d}]
		theirs, foundToo := r.logins[entrance{pgbouncerName, d}]
		if found && foundToo {
			all = append(all, atMost("CPU per login and transaction: "+d.String(), micros(ours.cpu), micros(theirs.cpu).of(pgbouncerName), aimLogin))
		}
	}
	return all
}

func (r report) stormVerdicts() []verdict {
	calm, found := r.under(porteroName, false)
	stormy, foundToo := r.under(porteroName, true)
	if !found || !foundToo {
		return nil
	}
	p99 := func(w weather) figure { return figure{w.p99, number(w.p99, 0) + " µs"} }
	beside := p99(calm).with(" without")
	other, found := r.under(pgbouncerName, false)
	otherStormy, foundToo := r.under(pgbouncerName, true)
	if found && foundToo {
		beside = beside.with(" (%s: %s)", pgbouncerName, times(otherStormy.p99/other.p99))
	}
	return []verdict{atMost(fmt.Sprintf("p99 of `select 1` beside %.0f logins/s by SCRAM", stormy.rate), p99(stormy), beside, aimStorm)}
}

func (r report) transferVerdicts() []verdict {
	var all []verdict
	for _, t := range transfers {
		ours, found := r.transfers[course{t.name, porteroName}]
		theirs, foundToo := r.transfers[course{t.name, haproxyAloneName}]
		if found && foundToo {
			perCPU := func(f flow) figure { return figure{f.perCPU, number(f.perCPU, 0) + " MB/s"} }
			all = append(all, atLeast(fmt.Sprintf("bytes per CPU second of %d MB: %s", transferSize/1_000_000, t.name),
				perCPU(ours), perCPU(theirs).of(haproxyAloneName), aimTransfer))
		}
	}
	return all
}

func (r report) encryptedVerdicts() []verdict {
	ours, found := r.encrypted[porteroName]
	theirs, foundToo := r.encrypted[pgbouncerName]
	if !found || !foundToo {
		return nil
	}
	return []verdict{atMost(fmt.Sprintf("CPU per transaction with TLS, one loop: simple, %d clients", encryptedClients),
		micros(ours.cpu), micros(theirs.cpu).of(pgbouncerName), aimEncrypted)}
}

// fairnessVerdicts compare the latency beside a reader on the same loop with that beside one
// that keeps the machine as busy through another Portero.
func (r report) fairnessVerdicts() []verdict {
	var all []verdict
	for _, encrypted := range []bool{false, true} {
		same, found := r.beside(place{reading: true, encrypted: encrypted, near: true})
		apart, foundToo := r.beside(place{reading: true, encrypted: encrypted})
		if found && foundToo {
			p99 := func(f besides) figure { return figure{f.p99, number(f.p99, 0) + " µs"} }
			all = append(all, atMost(fmt.Sprintf("p99 of `select 1` beside a client that reads %d MB %s on the same loop", r.result, same.way()),
				p99(same), p99(apart).with(" where that is on another Portero's"), aimBeside))
		}
	}
	return all
}
