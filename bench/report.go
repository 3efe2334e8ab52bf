package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"portero/internal/page"
)

// report is all that a run found.
type report struct {
	machine machine
	others  float64 // share of all cores that others took before a round, at worst
	rounds  int
	seconds int
	load    map[cell]figures
	memory  []idleCost // nil if left out

	fairness []besides // nil if left out
	result   int       // MB read in them
}

// publish writes the report to standard output, and into the marked section of a file if
// one is named.
func (r report) publish(path string) error {
	text := r.text()
	fmt.Print(text)
	if path == "" {
		return nil
	}
	return section(path).Write(r.provenance() + text)
}

// provenance says when, where and how, so that a reader can run it again.
func (r report) provenance() string {
	m := r.machine
	return fmt.Sprintf("%s, %s, %d cores, %s. %s. Other work took %.0f %% of the machine before the worst round.\n\n`go run ./bench %s`\n\n",
		time.Now().Format(time.DateOnly), m.cpu, m.cores, m.kernel, strings.Join(m.versions, "; "), 100*r.others,
		strings.Join(os.Args[1:], " "))
}

func (r report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "`pgbench -S`; one thread (`-j`) for one client, two for more; %d servers per pool; CPU of the proxy's processes; rounds: %d of %d s each, medians.\n\n",
		poolSize, r.rounds, r.seconds)
	b.WriteString(r.loadTable())
	if r.memory != nil {
		b.WriteString("\nMemory of the proxy's processes (not of the kernel) per idle client:\n\n")
		b.WriteString(r.memoryTable())
	}
	if r.fairness != nil {
		fmt.Fprintf(&b, "\n`select 1` of one client through Portero with one loop, beside a client that reads %d MB again and again; rounds: %d of %.0f s each, medians:\n\n",
			r.result, r.rounds, fairnessTime.Seconds())
		b.WriteString(r.fairnessTable())
	}
	if lines := r.verdicts(); lines != nil {
		b.WriteString("\nTo reach:\n\n" + strings.Join(lines, "\n") + "\n")
	}
	return b.String()
}

func (r report) loadTable() string {
	rows := [][]string{{"mode", "clients", "chain", "tps", "CPU µs/tx", "p50 µs", "p99 µs", "p99/p50"}}
	for _, key := range r.cells() {
		f := r.load[key]
		cpu := fmt.Sprintf("%.1f", f.cpu)
		if key.chain == directName {
			cpu = "-"
		}
		rows = append(rows, []string{
			key.mode, fmt.Sprint(key.clients), label(key.chain), fmt.Sprintf("%.0f", f.tps), cpu,
			fmt.Sprintf("%.0f", f.p50), fmt.Sprintf("%.0f", f.p99), fmt.Sprintf("%.1f", f.spread),
		})
	}
	return page.Table(rows, "lrlrrrrr")
}

// cells is the order of the lines: simple first, then by clients, then as kinds has the chains.
func (r report) cells() []cell {
	var keys []cell
	for key := range r.load {
		keys = append(keys, key)
	}
	names := kindNames()
	slices.SortFunc(keys, func(a, b cell) int {
		if a.mode != b.mode {
			return strings.Compare(b.mode, a.mode)
		}
		if a.clients != b.clients {
			return a.clients - b.clients
		}
		return slices.Index(names, a.chain) - slices.Index(names, b.chain)
	})
	return keys
}

func (r report) memoryTable() string {
	rows := [][]string{{"chain", "clients", "bytes, logged in", "bytes, after one transaction"}}
	for _, c := range r.memory {
		rows = append(rows, []string{
			label(c.chain), fmt.Sprint(c.clients), fmt.Sprintf("%.0f", c.fresh), fmt.Sprintf("%.0f", c.used),
		})
	}
	return page.Table(rows, "lrrr")
}

func (r report) fairnessTable() string {
	rows := [][]string{{"the other client", "p50 µs", "p99 µs", "it reads, MB/s"}}
	for _, f := range r.fairness {
		rate := "-"
		if f.reading {
			rate = fmt.Sprintf("%.0f", f.rate)
		}
		rows = append(rows, []string{f.place.String(), fmt.Sprintf("%.0f", f.p50), fmt.Sprintf("%.0f", f.p99), rate})
	}
	return page.Table(rows, "lrrr")
}

// section is the part of the page at path that is this program's.
func section(path string) page.Section {
	return page.Section{Path: path, Name: "bench", Title: "Benchmarks"}
}
