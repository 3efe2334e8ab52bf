package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"portero/internal/page"
)

// report is all that a run found. What was left out is nil.
type report struct {
	machine machine
	date    string
	others  float64 // share of all cores that others took before a round, at worst
	rounds  int
	seconds int

	load      map[cell]figures
	encrypted map[string]figures // by chain: with TLS, encryptedClients of them
	logins    map[entrance]figures
	storm     []weather
	crowd     *crowd
	memory    []idleCost
	transfers map[course]flow
	fairness  []besides
	result    int // MB read in fairness
}

// publish writes the report to standard output, and into the files that the plan names.
func (r report) publish(p plan) error {
	text := r.text()
	fmt.Print(text)
	if p.out != "" {
		head := r.provenance()
		if drawing := r.draw(); drawing != "" {
			if err := os.WriteFile(drawingPath(p.out), []byte(drawing), 0o644); err != nil {
				return err
			}
			head += picture(p.out)
		}
		if err := section(p.out).Write(head + text); err != nil {
			return err
		}
	}
	if p.scale == "" {
		return nil
	}
	return scaleSection(p.scale).Write(r.provenance() + r.slopes().text())
}

// drawingPath is beside a page.
func drawingPath(page string) string { return strings.TrimSuffix(page, ".md") + ".svg" }

// provenance says when, where and how, so that a reader can run it again.
func (r report) provenance() string {
	m := r.machine
	return fmt.Sprintf("%s, %s, %d cores, %s. %s. Other work took %.0f %% of the machine before the worst round.\n\n`go run ./bench %s`\n\n",
		r.date, m.cpu, m.cores, m.kernel, strings.Join(m.versions, "; "), 100*r.others,
		strings.Join(shown(os.Args[1:]), " "))
}

// shown is a command's arguments without where things are on the machine of the run.
func shown(args []string) []string {
	list := slices.Clone(args)
	for i, arg := range list {
		if filepath.IsAbs(arg) {
			list[i] = "/path/to/" + filepath.Base(arg)
		}
	}
	return list
}

// text is the verdicts, and behind them the tables that they are from.
func (r report) text() string {
	var b strings.Builder
	if all := r.verdicts(); all != nil {
		b.WriteString(verdictText(all) + "\n")
	}
	fmt.Fprintf(&b, "All figures are of the proxy's processes; %d servers per pool; rounds: %d of %d s each unless it says otherwise, medians.\n",
		poolSize, r.rounds, r.seconds)
	for _, one := range []struct {
		there bool
		title string
		table func() string
	}{
		{r.load != nil, "`pgbench -S`; one thread (`-j`) for one client, two for more:", r.loadTable},
		{r.encrypted != nil, fmt.Sprintf("The same, %d clients with TLS:", encryptedClients), r.encryptedTable},
		{r.logins != nil, fmt.Sprintf("`pgbench -S -C`, a login for each transaction, %d clients:", loginClients), r.loginTable},
		{r.storm != nil, fmt.Sprintf("`select 1` of one client, without and beside clients that log in by SCRAM, %d of them per second wanted; runs of %.0f s:",
			stormRate, stormTime.Seconds()), r.stormTable},
		{r.crowd != nil, "`pgbench -S` through Portero with one loop, beside clients at rest:", r.crowdTable},
		{r.memory != nil, "Memory per idle client: of the proxy's processes, and of the kernel for one end of a connection (" + strings.Join(socketCaches, ", ") + ", buffers apart):", r.memoryTable},
		{r.transfers != nil, fmt.Sprintf("Transfers of %d MB, again and again for at least %.0f s:", transferSize/1_000_000, transferTime.Seconds()), r.transferTable},
		{r.fairness != nil, fmt.Sprintf("`select 1` of one client through Portero with one loop, beside a client that reads %d MB again and again; runs of %.0f s:",
			r.result, fairnessTime.Seconds()), r.fairnessTable},
	} {
		if one.there {
			b.WriteString("\n" + one.title + "\n\n" + one.table())
		}
	}
	return b.String()
}

func (r report) loadTable() string {
	rows := [][]string{{"mode", "clients", "chain", "tps", "CPU µs/tx", "p50 µs", "p99 µs", "p99/p50"}}
	for _, key := range r.cells() {
		f := r.load[key]
		cpu := number(f.cpu, 1)
		if key.chain == directName {
			cpu = "-"
		}
		rows = append(rows, []string{
			key.mode, fmt.Sprint(key.clients), label(key.chain), number(f.tps, 0), cpu, number(f.p50, 0), number(f.p99, 0), number(f.spread, 1),
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
	rows := [][]string{{"chain", "TLS", "clients", "bytes, logged in", "bytes, after one transaction", "bytes of the kernel", "MB without clients"}}
	for _, c := range r.memory {
		encrypted := "no"
		if c.encrypted {
			encrypted = "yes"
		}
		rows = append(rows, []string{
			label(c.chain), encrypted, fmt.Sprint(c.clients), number(c.fresh, 0), number(c.used, 0), number(c.kernel, 0), number(c.base/1e6, 1),
		})
	}
	return page.Table(rows, "llrrrrr")
}

func (r report) fairnessTable() string {
	rows := [][]string{{"the other client", "p50 µs", "p99 µs", "it reads, MB/s"}}
	for _, f := range r.fairness {
		rate := "-"
		if f.reading {
			rate = number(f.rate, 0)
		}
		rows = append(rows, []string{f.place.String(), number(f.p50, 0), number(f.p99, 0), rate})
	}
	return page.Table(rows, "lrrr")
}

// number writes one with so many places.
func number(v float64, places int) string { return strconv.FormatFloat(v, 'f', places, 64) }

// section is the part of the page at path that is this program's.
func section(path string) page.Section {
	return page.Section{Path: path, Name: "bench", Title: "Benchmarks"}
}
