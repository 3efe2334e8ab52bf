package pool

import "fmt"

// Hold is why clients are held. Log, metrics, readiness and
// the status page have the same words for it.
type Hold uint8

// The reasons to hold.
const (
	NotHeld         Hold = iota
	HoldUnknown          // the source has not told of the group yet
	HoldLeaderless       // nobody leads
	HoldStandby          // a standby cluster takes no writes
	HoldDemoted          // the holder of the leader key says that it is demoted
	HoldSwitchover       // a switchover is announced: what begins now might be cut off by it, see Claim.Brief
	HoldUnconfirmed      // the view is stale, and neither etcd nor Patroni has confirmed the leader for too long
	HoldTimeline         // the holder of the leader key is on an older timeline than one that has led
	HoldUnmeasured       // of no replica is known how far it is behind
	HoldLagging          // all replicas are behind their leader by more than max_lag
	HoldPaused           // an operator has said PAUSE, or KILL: the servers are closed
	HoldSuspended        // an operator has said SUSPEND
	HoldDeaf             // what is sent now would not be heard by who listens, for a moment: see deaf.go
)

var holdWords = [...]string{
	NotHeld: "", HoldUnknown: "no leader known", HoldLeaderless: "no leader", HoldStandby: "standby cluster", HoldDemoted: "leader demoted",
	HoldSwitchover: "switchover announced", HoldUnconfirmed: "leader not confirmed", HoldTimeline: "leader is on an older timeline",
	HoldUnmeasured: "lag of replicas not known", HoldLagging: "all replicas lag",
	HoldPaused: "paused", HoldSuspended: "suspended", HoldDeaf: "nobody hears notifications",
}

// String gives the words for h; "" for NotHeld.
func (h Hold) String() string {
	if int(h) < len(holdWords) {
		return holdWords[h]
	}
	return fmt.Sprintf("hold %d", uint8(h))
}

// ordered reports whether an operator has ordered it.
func (h Hold) ordered() bool { return h == HoldPaused || h == HoldSuspended }

// words say why clients are held, to operators.
func (pl *plan) words() string {
	switch pl.hold {
	case HoldLeaderless:
		return pl.reason()
	case HoldTimeline:
		if pl.group.Behind == pl.group.Timeline {
			return fmt.Sprintf("%s: %s has come to %d from there, and another %d has led", pl.hold, pl.leads, pl.group.Behind, pl.group.Timeline)
		}
		return fmt.Sprintf("%s: %s is on %d, and %d has led", pl.hold, pl.leads, pl.group.Behind, pl.group.Timeline)
	case HoldUnconfirmed:
		return fmt.Sprintf("%s: nothing was heard of %s from etcd or Patroni for %s", pl.hold, pl.group.Holder(), pl.group.StaleLimit)
	}
	return pl.hold.String()
}

// reason is words without names, which are not for clients.
func (pl *plan) reason() string {
	if pl.hold == HoldLeaderless && len(pl.group.Members) == 0 {
		return pl.hold.String() + ", and no member is known"
	}
	return pl.hold.String()
}

// Held says, in words for a client, why nobody is served; "" if clients are. Any goroutine.
func (p *Pool) Held() string {
	pl := p.plan(p.cluster().View())
	return pl.reason()
}
