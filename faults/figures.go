package main

import (
	"context"
	"time"

	"portero/internal/lab"
)

// figures are what one run has found.
type figures struct {
	acked    int
	lost     int // of those
	twice    int // of those
	refused  int // attempts that are there although their clients were told that they had failed
	late     int // writes that were begun after their server had ceased to be the leader
	underWay int // writes that reached such a server, and were begun before

	inBlock map[string]int // errors of clients in a transaction, by SQLSTATE
	outside map[string]int // of all others on the leader's route
	copies  int            // of these, told to a COPY under way
	cut     int            // connections on the leader's route that ended

	database time.Duration // in which no member took a write
	all      time.Duration // in which no writer had a row confirmed
	worst    time.Duration // the same for the one writer that waited longest

	replica route
	mended  bool  // Patroni did not bring the replica back
	steps   []int // rows confirmed, per step of the plot
}

// route is what the readers on the replica's route have met.
type route struct {
	errors map[string]int
	cut    int
	worst  time.Duration
}

// count compares what the crew was told with what is there.
func (s *stage) count(ctx context.Context, all *crew, from, to time.Time) (*figures, error) {
	leader, err := s.group.Leader(ctx)
	if err != nil {
		return nil, err
	}
	ledger := all.writers.Ledger()
	audit, err := ledger.Audit(ctx, leader.SuperuserDSN("app"))
	if err != nil {
		return nil, err
	}
	writes, err := s.group.Writes()
	if err != nil {
		return nil, err
	}
	f := &figures{database: lab.LongestGap(all.prober.Writes(), from, to)}
	f.judge(ledger, audit, lab.Strays(writes))
	f.time(ledger, all.quick, from, to)
	f.trouble(ledger, all.leader.Ledger())
	f.copies = toldOutside(ledger[len(ledger)-1])
	f.replica = readRoute(all.replica.Ledger(), from, to)
	survivors, _ := all.idle.Survivors(ctx) // the count says it
	f.cut += idleClients - survivors
	return f, nil
}

func (f *figures) judge(ledger lab.Ledger, audit lab.Audit, stray lab.Stray) {
	f.acked = ledger.Acknowledged()
	f.lost, f.twice, f.refused = len(audit.Lost), len(audit.Twice), len(audit.Refused)
	f.late, f.underWay = len(stray.Late), len(stray.UnderWay)
}

// time leaves out the COPY, which pauses by itself.
func (f *figures) time(ledger lab.Ledger, quick int, from, to time.Time) {
	f.all, f.worst = ledger[:quick].Gaps(from, to)
	f.steps = steps(ledger[:quick], from.Add(-plotBefore), to)
}

func (f *figures) trouble(ledgers ...lab.Ledger) {
	f.inBlock, f.outside = make(map[string]int), make(map[string]int)
	for _, ledger := range ledgers {
		for _, account := range ledger {
			f.cut += meet(account.Troubles, f.inBlock, f.outside)
		}
	}
}

// noConnection stands for an attempt to connect that no server has answered.
const noConnection = "no connection"

// meet counts errors by SQLSTATE, and returns how many connections they have ended.
func meet(troubles []lab.Trouble, inBlock, outside map[string]int) (cut int) {
	for _, t := range troubles {
		if t.Ended {
			cut++
		}
		switch {
		case t.What == "": // a new connection
		case t.InBlock:
			inBlock[t.What]++
		case t.What == lab.Cut && !t.Ended:
			outside[noConnection]++
		default:
			outside[t.What]++
		}
	}
	return cut
}

// toldOutside is how many errors a writer was told outside of transactions.
func toldOutside(account lab.Account) (n int) {
	outside := make(map[string]int)
	meet(account.Troubles, make(map[string]int), outside)
	for _, times := range outside {
		n += times
	}
	return n
}

func readRoute(ledger lab.Ledger, from, to time.Time) route {
	r := route{errors: make(map[string]int)}
	for _, account := range ledger {
		r.cut += meet(account.Troubles, r.errors, r.errors)
	}
	_, r.worst = ledger.Gaps(from, to)
	return r
}

const (
	plotStep   = 100 * time.Millisecond
	plotBefore = 2 * time.Second // of undisturbed work
)

// steps counts the rows confirmed in each step from from to to.
func steps(ledger lab.Ledger, from, to time.Time) []int {
	counts := make([]int, max(0, int(to.Sub(from)/plotStep)))
	for _, account := range ledger {
		for _, ack := range account.Acked {
			if at := ack.Ended.Sub(from); at >= 0 && int(at/plotStep) < len(counts) {
				counts[at/plotStep]++
			}
		}
	}
	return counts
}
