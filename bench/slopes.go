package main

import (
	"fmt"

	"portero/internal/page"
)

// slopes are what a client, a transaction and a login cost Portero; 0 is what was not measured.
type slopes struct {
	base           float64 // bytes of a process without clients
	idle, idleTLS  float64 // bytes per client at rest
	kernel         float64 // bytes that the kernel keeps per client, beside that
	cpu            float64 // µs per transaction, at the number of clients at which it is dearest
	clients        int     // that number
	login          map[door]float64
	megabytes      float64 // per second of CPU, in results of small rows
	tps, tpsOfAll  float64 // most transactions per second, with one loop and with one per core
	cores          int
	crowded, alone float64 // µs of CPU per transaction beside clients at rest, and without
	resting        int     // those at rest
}

// slopes takes them from what the run has found, with one loop.
func (r report) slopes() slopes {
	s := slopes{login: make(map[door]float64), cores: r.machine.cores}
	for key, f := range r.load {
		switch {
		case key.mode != "simple":
		case key.chain == porteroAutoName:
			s.tpsOfAll = max(s.tpsOfAll, f.tps)
		case key.chain == porteroName:
			s.tps = max(s.tps, f.tps)
			if f.cpu > s.cpu {
				s.cpu, s.clients = f.cpu, key.clients
			}
		}
	}
	if c, found := r.idleOf(porteroName, false); found {
		s.base, s.idle, s.kernel = c.base, c.most(), c.kernel
	}
	if c, found := r.idleOf(porteroName, true); found {
		s.idleTLS = c.most()
	}
	for _, d := range doors {
		s.login[d] = r.logins[entrance{porteroName, d}].cpu
	}
	s.megabytes = r.transfers[course{transfers[0].name, porteroName}].perCPU
	if r.crowd != nil {
		s.crowded, s.alone, s.resting = r.crowd.among.cpu, r.crowd.alone.cpu, r.crowd.idle
	}
	return s
}

// table is the slopes, each with the letter by which the formulas call it.
func (s slopes) table() string {
	rows := [][]string{{"", "what", "value", "measured by the part"}}
	add := func(letter, what string, value float64, unit string, places int, by string) {
		text := "not measured"
		if value > 0 {
			text = number(value, places) + " " + unit
		}
		rows = append(rows, []string{letter, what, text, by})
	}
	add("B", "process without clients, with a full pool", s.base/1e6, "MB", 1, "`memory`")
	add("m", "client at rest", s.idle, "bytes", 0, "`memory`")
	add("mt", "client at rest, TLS", s.idleTLS, "bytes", 0, "`memory`")
	add("k", "the kernel's part of a client", s.kernel, "bytes", 0, "`memory`")
	where := ""
	if s.cpu > 0 {
		where = ", " + counted(s.clients) + ", where it is dearest"
	}
	add("c", "transaction (simple"+where+")", s.cpu, "µs of CPU", 1, "`load`")
	for i, d := range doors {
		add(fmt.Sprintf("l%d", i+1), "login with a transaction: "+d.String(), s.login[d], "µs of CPU", 0, "`logins`")
	}
	add("r", "results of rows of 100 bytes", s.megabytes, "MB per CPU second", 0, "`transfers`")
	add("", "most transactions per second, one loop", s.tps, "", 0, "`load`")
	add("", fmt.Sprintf("the same, %d loops", s.cores), s.tpsOfAll, "", 0, "`load`")
	add("", fmt.Sprintf("transaction of %d clients beside %d at rest", crowdWorkers, s.resting), s.crowded, "µs of CPU", 1, "`crowd`")
	add("", "the same without them", s.alone, "µs of CPU", 1, "`crowd`")
	return page.Table(rows, "llrl")
}
