package main

import (
	"context"
	"time"

	"portero/internal/lab"
)

// figures are what one run has found.
type figures struct {
	Acked    int `json:"acked"`
	Lost     int `json:"lost"`      // of those
	Twice    int `json:"twice"`     // of those
	Refused  int `json:"refused"`   // attempts that are there although their clients were told that they had failed
	Late     int `json:"late"`      // writes that were begun after their server had ceased to be the leader
	UnderWay int `json:"under_way"` // writes that reached such a server, and were begun before

	InBlock map[string]int `json:"in_block"` // errors of clients in a transaction, by SQLSTATE
	Outside map[string]int `json:"outside"`  // of all others on the leader's route
	Copies  int            `json:"copies"`   // of these, told to a COPY under way
	Cut     int            `json:"cut"`      // connections on the leader's route that ended

	Database time.Duration `json:"database_ns"` // in which no member took a write
	All      time.Duration `json:"all_ns"`      // in which no writer had a row confirmed
	Worst    time.Duration `json:"worst_ns"`    // the same for the one writer that waited longest

	Replica route `json:"replica"`
	Mended  bool  `json:"mended,omitempty"` // Patroni did not bring the replica back
	Steps   []int `json:"steps,omitempty"`  // rows confirmed, per step of the plot; only of what is plotted
}

// route is what the readers on the replica's route have met.
type route struct {
	Errors map[string]int `json:"errors"`
	Cut    int            `json:"cut"`
	Worst  time.Duration  `json:"worst_ns"`
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
	f := &figures{Database: lab.LongestGap(all.prober.Writes(), from, to)}
	f.judge(ledger, audit, lab.Strays(writes))
	f.time(ledger, all.quick, from, to)
	f.trouble(ledger, all.leader.Ledger())
	f.Copies = toldOutside(ledger[len(ledger)-1])
	f.Replica = readRoute(all.replica.Ledger(), from, to)
	survivors, _ := all.idle.Survivors(ctx) // the count says it
	f.Cut += idleClients - survivors
	return f, nil
}

func (f *figures) judge(ledger lab.Ledger, audit lab.Audit, stray lab.Stray) {
	f.Acked = ledger.Acknowledged()
	f.Lost, f.Twice, f.Refused = len(audit.Lost), len(audit.Twice), len(audit.Refused)
	f.Late, f.UnderWay = len(stray.Late), len(stray.UnderWay)
}

// time leaves out the COPY, which pauses by itself.
func (f *figures) time(ledger lab.Ledger, quick int, from, to time.Time) {
	f.All, f.Worst = ledger[:quick].Gaps(from, to)
	if end := from.Add(plotLongest); end.Before(to) {
		to = end
	}
	f.Steps = steps(ledger[:quick], from.Add(-plotBefore), to)
}

func (f *figures) trouble(ledgers ...lab.Ledger) {
	f.InBlock, f.Outside = make(map[string]int), make(map[string]int)
	for _, ledger := range ledgers {
		for _, account := range ledger {
			f.Cut += account.Count(f.InBlock, f.Outside)
		}
	}
}

// toldOutside is how many errors a writer was told outside of transactions.
func toldOutside(account lab.Account) (n int) {
	outside := make(map[string]int)
	account.Count(make(map[string]int), outside)
	for _, times := range outside {
		n += times
	}
	return n
}

func readRoute(ledger lab.Ledger, from, to time.Time) route {
	r := route{Errors: make(map[string]int)}
	for _, account := range ledger {
		r.Cut += account.Count(r.Errors, r.Errors)
	}
	_, r.Worst = ledger.Gaps(from, to)
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
