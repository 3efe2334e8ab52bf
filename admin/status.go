package admin

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"portero/metrics"
)

// Snapshot is what the status page shows: Portero at one moment.
type Snapshot struct {
	Version   string
	Started   time.Time
	Now       time.Time
	Listeners []string // addresses that clients connect to
	NotReady  []string // why clients cannot be served; empty if they can

	Clients    int // connected now
	MaxClients int // at once; 0 if there is no limit

	Process *metrics.Process // nil: its counters are left out
	Groups  []metrics.GroupState
	Pools   []metrics.PoolState

	Failovers []metrics.FailoverState // the newest first

	Candidates metrics.CandidatesState // pools beside those in Pools
	MaxPools   int                     // max_pools; 0 if there is no limit
}

//go:embed status.html
var statusHTML string

var statusPage = template.Must(template.New("status").Funcs(template.FuncMap{
	"bytes":  formatBytes,
	"lag":    formatLag,
	"count":  formatCount,
	"after":  formatDuration,
	"notes":  groupNotes,
	"wait":   averageWait,
	"counts": nonZero,
	"sum":    sum,
	"leads":  leads,
	"since":  sinceBegan,
}).Parse(statusHTML))

// WriteStatus writes s to w as one HTML page that needs nothing else. It reads
// the counters that s points to, and leaves s as it is.
func WriteStatus(w io.Writer, s Snapshot) error {
	s.Pools = slices.SortedFunc(slices.Values(s.Pools), metrics.ComparePools)
	s.Groups = slices.SortedFunc(slices.Values(s.Groups), metrics.CompareGroups)
	return statusPage.Execute(w, s)
}

// Up returns how long Portero has been running.
func (s Snapshot) Up() time.Duration { return s.Now.Sub(s.Started).Truncate(time.Second) }

// groupNotes returns what an operator should know of g beyond its leader.
func groupNotes(g metrics.GroupState) []string {
	var notes []string
	note := func(is bool, words string) {
		if is {
			notes = append(notes, words)
		}
	}
	note(!g.Connected, "discovery is not heard")
	note(g.Stale, "view is stale")
	note(g.Paused, "Patroni is paused")
	note(g.Standby, "standby cluster")
	note(g.Held != "" && g.Switchover == "", "clients are held: "+g.Held)
	note(g.Switchover != "", "switchover announced: "+g.Switchover)
	return notes
}

// sinceBegan is how long after its beginning a failover came to a phase; "" if it has not.
func sinceBegan(f metrics.FailoverState, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return fmt.Sprintf("%.3f s", at.Sub(f.Began()).Seconds())
}

func leads(g metrics.GroupState, m metrics.MemberState) bool {
	return g.Leader != "" && g.Leader == m.Name
}

// reasonCount is one line of a table of reasons.
type reasonCount struct {
	Reason metrics.Reason
	Count  uint64
}

// nonZero returns the reasons that occurred, the most frequent first.
func nonZero(counts metrics.ReasonCounts) []reasonCount {
	var lines []reasonCount
	for r, n := range counts {
		if n > 0 {
			lines = append(lines, reasonCount{metrics.Reason(r), n})
		}
	}
	slices.SortStableFunc(lines, func(a, b reasonCount) int {
		return cmp.Compare(b.Count, a.Count)
	})
	return lines
}

func sum(counts metrics.ReasonCounts) uint64 {
	var n uint64
	for _, c := range counts {
		n += c
	}
	return n
}

func averageWait(t metrics.PoolTotals) time.Duration {
	if t.Waits == 0 {
		return 0
	}
	return t.WaitTime / time.Duration(t.Waits)
}
