package main

import (
	"context"
	"time"

	"portero/internal/lab"
)

// figures are what one run has found.
type figures struct {
	Parties []*share `json:"parties"`
	Strays  []stray  `json:"strays"`           // of each group
	Cut     int      `json:"cut"`              // connections of idle clients that ended
	Mended  []string `json:"mended,omitempty"` // groups of which Patroni did not bring a member back
}

// share is what the writers of one route have met.
type share struct {
	Name    string         `json:"name"`
	Acked   int            `json:"acked"`
	Lost    int            `json:"lost"`    // of those
	Twice   int            `json:"twice"`   // of those
	Refused int            `json:"refused"` // attempts that are there although their clients were told that they had failed
	Errors  map[string]int `json:"errors"`  // by SQLSTATE
	Cut     int            `json:"cut"`     // connections that ended

	Database time.Duration `json:"database_ns"` // in which the group itself took no write
	All      time.Duration `json:"all_ns"`      // in which no writer had a row confirmed
	Worst    time.Duration `json:"worst_ns"`    // the same for the one writer that waited longest
}

// stray are the writes of a group that reached a server that was no leader.
type stray struct {
	Late     int `json:"late"`      // begun after it had ceased to be one
	UnderWay int `json:"under_way"` // begun before
}

// count compares what the crew was told with what is there.
func (s *stage) count(ctx context.Context, all *crew, from, to time.Time) (*figures, error) {
	f := &figures{}
	for i, p := range parties {
		one, err := s.share(ctx, p, all.writers[i].Ledger(), from, to)
		if err != nil {
			return nil, err
		}
		one.Database = all.database(p, from, to)
		f.Parties = append(f.Parties, one)
	}
	for _, g := range s.cluster.Groups {
		writes, err := g.Writes()
		if err != nil {
			return nil, err
		}
		found := lab.Strays(writes)
		f.Strays = append(f.Strays, stray{Late: len(found.Late), UnderWay: len(found.UnderWay)})
	}
	survivors, _ := all.idle.Survivors(ctx) // the count says it
	f.Cut = idleClients - survivors
	return f, nil
}

func (s *stage) share(ctx context.Context, p *party, ledger lab.Ledger, from, to time.Time) (*share, error) {
	var where []string
	for i, g := range s.cluster.Groups {
		if p.group != i && p.group != anyGroup {
			continue
		}
		leader, err := g.Leader(ctx)
		if err != nil {
			return nil, err
		}
		where = append(where, leader.SuperuserDSN(p.dbname))
	}
	audit, err := ledger.Audit(ctx, where...)
	if err != nil {
		return nil, err
	}
	one := &share{Name: p.name, Acked: ledger.Acknowledged(), Errors: make(map[string]int)}
	one.Lost, one.Twice, one.Refused = len(audit.Lost), len(audit.Twice), len(audit.Refused)
	one.All, one.Worst = ledger.Gaps(from, to)
	for _, account := range ledger {
		one.Cut += account.Count(one.Errors, one.Errors)
	}
	return one, nil
}
