package admin

import (
	"cmp"
	"slices"
	"time"

	"portero/metrics"
)

// failoverState is a failover, and when it came to each of its phases.
type failoverState struct {
	Cluster  string    `json:"cluster"`
	Group    int       `json:"group"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Epoch    uint64    `json:"epoch"`
	Timeline int64     `json:"timeline"`
	Began    time.Time `json:"began"`
	TookMS   float64   `json:"took_ms"` // so far, while it is under way
	Is       string    `json:"is"`      // under way, over, called off
	Phases   []phase   `json:"phases"`  // in the order in which they came

	ClientsHeld  int              `json:"clients_held"` // that waited when clients were served again
	Transactions metrics.Outcomes `json:"transactions"`
}

// phase is a step of a failover.
type phase struct {
	Name  string  `json:"name"`
	After float64 `json:"after_ms"` // the failover began
}

func newFailovers(all []metrics.FailoverState, now time.Time) []failoverState {
	failovers := []failoverState{}
	for _, f := range all {
		s := failoverState{
			Cluster: f.Cluster, Group: f.Group, From: f.From, To: f.To, Epoch: f.Epoch, Timeline: f.Timeline,
			Began: f.Began(), TookMS: inMS(now.Sub(f.Began())), Is: "under way", Phases: phasesOf(f), ClientsHeld: f.ClientsHeld, Transactions: f.Outcomes,
		}
		if end := f.Ended(); !end.IsZero() {
			s.TookMS, s.Is = inMS(end.Sub(s.Began)), "over"
			if f.Released.IsZero() {
				s.Is = "called off"
			}
		}
		failovers = append(failovers, s)
	}
	return failovers
}

func phasesOf(f metrics.FailoverState) []phase {
	phases := []phase{}
	began := f.Began()
	for _, p := range [...]struct {
		name string
		at   time.Time
	}{
		{"announced", f.Announced}, {"held", f.Held}, {"lost", f.Lost}, {"elected", f.Elected},
		{"proved", f.Proved}, {"released", f.Released}, {"called off", f.CalledOff},
	} {
		if !p.at.IsZero() {
			phases = append(phases, phase{p.name, inMS(p.at.Sub(began))})
		}
	}
	slices.SortStableFunc(phases, func(a, b phase) int { return cmp.Compare(a.After, b.After) })
	return phases
}
