package main

import (
	"strings"
	"testing"
)

// madeUp is a report of figures that no run gave: each row of the table once within
// its aim, or once beyond it.
func madeUp() report {
	r := report{
		machine: machine{cpu: "Test & Try", cores: 2}, date: "2026-01-02", rounds: 5, seconds: 3, result: 500,
		load: make(map[cell]figures), logins: make(map[entrance]figures), transfers: make(map[course]flow),
	}
	for _, mode := range []string{"simple", "extended", "prepared"} {
		for i, clients := range loads {
			theirs := 40 - 4*float64(i)
			for chain, times := range map[string]float64{pgbouncerName: 1, haproxyName: 2, porteroName: 0.87, porteroAutoName: 0.9} {
				r.load[cell{mode, clients, chain}] = figures{tps: 10000 + float64(clients), cpu: theirs * times, p50: 100, p99: 140, spread: 1.4}
			}
			r.load[cell{mode, clients, directName}] = figures{tps: 20000}
		}
	}
	return r
}

// words are what the verdicts on something say, in their order.
func words(r report, what string) string {
	var all []string
	for _, v := range r.verdicts() {
		if strings.Contains(v.what, what) {
			word := "short"
			if v.reached {
				word = "pass"
			}
			all = append(all, word)
		}
	}
	return strings.Join(all, " ")
}

func TestVerdictsOnCPUHaveTheirAimsByClients(t *testing.T) {
	for clients, aim := range map[int]float64{1: 1, 16: 0.9, 64: 0.85, 256: 0.85} {
		for _, mode := range []string{"simple", "extended", "prepared"} {
			for times, want := range map[float64]string{aim: "pass", aim + 0.01: "short"} {
				r := report{load: map[cell]figures{{mode, clients, porteroName}: {cpu: times}, {mode, clients, pgbouncerName}: {cpu: 1}}}
				if got := words(r, "CPU per transaction"); got != want {
					t.Errorf("%s, %d clients, %v x PgBouncer's: %s", mode, clients, times, got)
				}
			}
		}
	}
}

func TestVerdictsOnCPUBesideTheOtherChains(t *testing.T) {
	for chain, aim := range map[string]float64{haproxyName: 0.45, beforeName: 1.05} {
		for times, want := range map[float64]string{aim: "pass", aim + 0.01: "short"} {
			r := report{load: map[cell]figures{{"prepared", 16, porteroName}: {cpu: times}, {"prepared", 16, chain}: {cpu: 1}}}
			if got := words(r, "CPU per transaction, one loop"); got != want {
				t.Errorf("%v x %s's: %s", times, chain, got)
			}
		}
	}
	for times, want := range map[float64]string{1.05: "pass", 1.06: "short"} {
		r := report{machine: machine{cores: 2}, load: map[cell]figures{{"simple", 1, porteroAutoName}: {cpu: times, tps: 200}, {"simple", 1, porteroName}: {cpu: 1, tps: 100}}}
		if got := words(r, "2 loops"); got != want || !strings.Contains(r.verdicts()[0].ours, "200 tps") {
			t.Errorf("%v x one loop's: %+v", times, r.verdicts())
		}
	}
}

func TestVerdictOnATailHasTwoAims(t *testing.T) {
	for _, c := range []struct {
		ours, theirs float64
		want         string
	}{{1.2, 1.25, "pass"}, {1.2, 1.15, "short"}, {1.31, 1.9, "short"}, {1.3, 1.3, "pass"}} {
		r := report{load: map[cell]figures{
			{"extended", manyClients, porteroName}:   {spread: c.ours},
			{"extended", manyClients, pgbouncerName}: {spread: c.theirs},
		}}
		if got := words(r, "p99/p50"); got != c.want {
			t.Errorf("%v beside %v: %s", c.ours, c.theirs, got)
		}
	}
}

func TestVerdictsOnWhatIsBesideTheLoad(t *testing.T) {
	plain, secure := door{}, door{encrypted: true}
	pass := report{
		crowd:     &crowd{idle: 9800, alone: figures{p99: 1000}, among: figures{p99: 1100}},
		memory:    []idleCost{{chain: porteroName, fresh: 250, used: 300}, {chain: porteroName, encrypted: true, fresh: 9000, used: 12000}},
		logins:    map[entrance]figures{{porteroName, plain}: {cpu: 99}, {pgbouncerName, plain}: {cpu: 100}},
		storm:     []weather{{chain: porteroName, p99: 400}, {chain: porteroName, stormy: true, p99: 800, rate: 500}},
		transfers: map[course]flow{{transfers[1].name, porteroName}: {perCPU: 95}, {transfers[1].name, haproxyAloneName}: {perCPU: 100}},
		encrypted: map[string]figures{porteroName: {cpu: 30}, pgbouncerName: {cpu: 30}},
		fairness:  []besides{{place: place{reading: true}, p99: 100}, {place: place{reading: true, near: true}, p99: 200}},
	}
	short := report{
		crowd:     &crowd{idle: 9800, alone: figures{p99: 1000}, among: figures{p99: 1101}},
		memory:    []idleCost{{chain: porteroName, fresh: 301, used: 250}, {chain: porteroName, encrypted: true, fresh: 9000, used: 12001}},
		logins:    map[entrance]figures{{porteroName, secure}: {cpu: 101}, {pgbouncerName, secure}: {cpu: 100}},
		storm:     []weather{{chain: porteroName, p99: 400}, {chain: porteroName, stormy: true, p99: 801, rate: 500}},
		transfers: map[course]flow{{transfers[1].name, porteroName}: {perCPU: 94}, {transfers[1].name, haproxyAloneName}: {perCPU: 100}},
		encrypted: map[string]figures{porteroName: {cpu: 31}, pgbouncerName: {cpu: 30}},
		fairness:  []besides{{place: place{reading: true}, p99: 100}, {place: place{reading: true, near: true}, p99: 201}},
	}
	if got := words(pass, ""); got != "pass pass pass pass pass pass pass pass" {
		t.Errorf("within: %s\n%s", got, verdictText(pass.verdicts()))
	}
	if got := words(short, ""); got != "short short short short short short short short" {
		t.Errorf("beyond: %s\n%s", got, verdictText(short.verdicts()))
	}
}

func TestVerdictsHaveBothFiguresTheRatioAndTheAim(t *testing.T) {
	r := report{load: map[cell]figures{{"simple", 16, porteroName}: {cpu: 60}, {"simple", 16, pgbouncerName}: {cpu: 40}}}
	got := verdictText(r.verdicts())
	want := "| **short** | CPU per transaction, one loop: simple, 16 clients | 60.0 µs | pgbouncer 40.0 µs | 1.50 x | at most 0.90 x |"
	if !strings.Contains(got, want) || !strings.HasPrefix(got, "To reach: 0 of 1 pass.") {
		t.Errorf("got\n%s", got)
	}
}

func TestNothingIsJudgedThatWasNotMeasured(t *testing.T) {
	if all := (report{}).verdicts(); len(all) != 0 {
		t.Error(all)
	}
	alone := report{load: map[cell]figures{{"simple", 16, porteroName}: {cpu: 60}, {"simple", 3, pgbouncerName}: {cpu: 40}, {"simple", 3, porteroName}: {cpu: 40}}}
	if all := alone.verdicts(); len(all) != 0 {
		t.Error(all)
	}
}
