package metrics

import (
	"fmt"
	"iter"
	"strings"
	"time"
)

// FailoverState is what became of one change of a group's leader, or of one that was
// announced and did not come. Times are zero for what has not happened.
type FailoverState struct {
	Cluster string `json:"cluster"`
	Group   int    `json:"group"`
	From    string `json:"from"` // member that led; "" = not known
	To      string `json:"to"`   // member that leads, or is to
	Epoch   uint64 `json:"epoch"`

	Timeline int64 `json:"timeline"` // 0 = not known

	Announced time.Time `json:"announced,omitzero"`  // Patroni's failover key told of it
	Held      time.Time `json:"held,omitzero"`       // from then on clients that began something waited
	Lost      time.Time `json:"lost,omitzero"`       // the first server died, or nobody led any more
	Elected   time.Time `json:"elected,omitzero"`    // somebody led
	Proved    time.Time `json:"proved,omitzero"`     // a server there had shown that it takes writes
	Released  time.Time `json:"released,omitzero"`   // clients were served again
	CalledOff time.Time `json:"called_off,omitzero"` // it was announced, and is not any more

	ClientsHeld int `json:"clients_held"` // that waited when clients were served again

	Outcomes Outcomes `json:"transactions"` // of the transactions that the loss of a server met
}

// Began is the earliest time that is known of it.
func (f *FailoverState) Began() (first time.Time) {
	for _, at := range [...]time.Time{f.Announced, f.Held, f.Lost, f.Elected} {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// Ended is when it was over; zero while it is not.
func (f *FailoverState) Ended() time.Time {
	if f.Released.IsZero() {
		return f.CalledOff
	}
	return f.Released
}

// Outcomes counts transactions that met the loss of their server, by what became of them.
type Outcomes struct {
	Failed   uint64 `json:"failed"`   // rolled back; the client was told (08006)
	Unknown  uint64 `json:"unknown"`  // the client was told that it is not known (08007)
	Repeated uint64 `json:"repeated"` // run again, of which the client knows nothing
	Resolved uint64 `json:"resolved"` // unknown at first, and found out
	Cut      uint64 `json:"cut"`      // the client's connection had to end
}

// all yields them with their names.
func (o Outcomes) all() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		_ = yield("failed", o.Failed) && yield("unknown", o.Unknown) && yield("repeated", o.Repeated) && yield("resolved", o.Resolved) && yield("cut", o.Cut)
	}
}

// String gives those that occurred, as the status page has them; "none" if none has.
func (o Outcomes) String() string {
	var words []string
	for outcome, n := range o.all() {
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, outcome))
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// Add adds more of them.
func (o *Outcomes) Add(more Outcomes) {
	o.Failed += more.Failed
	o.Unknown += more.Unknown
	o.Repeated += more.Repeated
	o.Resolved += more.Resolved
	o.Cut += more.Cut
}
