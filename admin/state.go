package admin

import (
	"cmp"
	"encoding/json"
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

// state is the JSON of /state, and of the event of that name. Of the event change it is
// what has become another since the one before: a part that is not there is as it was.
// Parts are encoded once, so that those that have not changed are found by their bytes.
type state struct {
	head
	Process   json.RawMessage   `json:"process,omitempty"`   // processState
	Groups    json.RawMessage   `json:"groups,omitempty"`    // []groupState
	Failovers json.RawMessage   `json:"failovers,omitempty"` // []failoverState
	Pools     []json.RawMessage `json:"pools"`               // poolState; of a change those that are new or another
	Gone      []int             `json:"gone,omitempty"`      // of a change: id of pools that are no more
}

// head is what every event has.
type head struct {
	Version      string          `json:"version"`
	Started      time.Time       `json:"started"`
	At           time.Time       `json:"at"`
	UpMS         int64           `json:"up_ms"` // since the start, by a clock that nobody sets
	Listeners    []string        `json:"listeners"`
	Ready        bool            `json:"ready"`
	NotReady     []string        `json:"not_ready"`
	Clients      int             `json:"clients"`
	ClientsLimit int             `json:"clients_limit"` // 0: there is none
	PoolsLimit   int             `json:"pools_limit"`   // 0: there is none
	Candidates   candidatesState `json:"candidates"`
}

// candidatesState sums up the pools that no server has let in yet.
type candidatesState struct {
	Pools   int           `json:"pools"`
	Waiting int           `json:"clients_waiting"`
	MaxWait float64       `json:"max_wait_ms"`
	Errors  []reasonCount `json:"errors,omitempty"`
}

func newHead(s *Snapshot) head {
	return head{
		Version: s.Version, Started: s.Started, At: s.Now, UpMS: s.Now.Sub(s.Started).Milliseconds(),
		Listeners: orNone(s.Listeners), Ready: len(s.NotReady) == 0, NotReady: orNone(s.NotReady),
		Clients: s.Clients, ClientsLimit: s.MaxClients, PoolsLimit: s.MaxPools,
		Candidates: candidatesState{s.Candidates.Pools, s.Candidates.ClientsWaiting, inMS(s.Candidates.MaxWait), nonZero(s.Candidates.Errors)},
	}
}

// orNone is an empty list in JSON where there is none.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// processState is what concerns the whole process, since its start.
type processState struct {
	LoggingIn    int64         `json:"logging_in"`
	ServersLimit int64         `json:"servers_limit"`
	Accepted     uint64        `json:"clients_accepted"`
	Ended        []reasonCount `json:"clients_ended"`
	Refused      []reasonCount `json:"clients_refused"`
	Panics       uint64        `json:"panics"`
	LinesLost    uint64        `json:"log_lines_lost"`
	ReloadFailed bool          `json:"reload_failed"` // the last one did
}

func newProcessState(p *metrics.Process) *processState {
	if p == nil {
		return nil
	}
	return &processState{
		LoggingIn: p.LoginsInFlight.Load(), ServersLimit: p.ServersLimit.Load(), Accepted: p.ClientsAccepted.Load(),
		Ended: nonZero(p.Ended()), Refused: nonZero(p.Refused()), Panics: p.Panics.Load(), LinesLost: p.LogLinesLost.Load(),
		ReloadFailed: p.ReloadFailed.Load(),
	}
}

// reasonCount is how often something has occurred for one reason.
type reasonCount struct {
	Reason metrics.Reason
	Count  uint64
}

// MarshalJSON has the reason in its words.
func (r reasonCount) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Reason string `json:"reason"`
		Count  uint64 `json:"count"`
	}{r.Reason.String(), r.Count})
}

// nonZero returns the reasons that occurred, the most frequent first.
func nonZero(counts metrics.ReasonCounts) []reasonCount {
	lines := []reasonCount{}
	for r, n := range counts {
		if n > 0 {
			lines = append(lines, reasonCount{metrics.Reason(r), n})
		}
	}
	slices.SortStableFunc(lines, func(a, b reasonCount) int { return cmp.Compare(b.Count, a.Count) })
	return lines
}

// inMS is a time in milliseconds, to the microsecond.
func inMS(d time.Duration) float64 { return float64(max(d, 0).Microseconds()) / 1000 }
