package metrics

import (
	"math"
	"sync/atomic"
	"time"
)

// Process counts what concerns the whole process. The zero value is ready, and
// all of it is safe for concurrent use; it is touched once per client, not once
// per transaction, so that it needs no shards.
type Process struct {
	ClientsAccepted atomic.Uint64 // sockets accepted, whatever became of them
	ClientsLimit    atomic.Int64  // the most clients at once
	ServersLimit    atomic.Int64  // the most servers at once, in all pools
	LoginsInFlight  atomic.Int64  // connections between their accept and the end of their login
	Panics          atomic.Uint64 // panics caught; each ended what it was in, and nothing else
	LogLinesLost    atomic.Uint64 // lines of the log that its reader did not take
	ShuttingDown    atomic.Bool   // from the word to do so on, and to the end of the process

	Reloads       atomic.Uint64 // of the configuration that were put in force
	ReloadsFailed atomic.Uint64
	ReloadFailed  atomic.Bool  // the last one did
	LoadedAt      atomic.Int64 // when the configuration in force was put there, in seconds since 1970

	Loops []Loop // the event loops; set before anybody reads it

	ended   reasonCounters
	refused reasonCounters
}

// Loop counts what concerns one event loop.
type Loop struct {
	Clients atomic.Int32  // that it serves, idle ones included
	Moved   atomic.Uint64 // clients that have gone from it to another

	busy atomic.Uint64 // bits of a float
}

// SetBusy notes which share of a processor it has used of late, from 0 to 1.
func (l *Loop) SetBusy(share float64) { l.busy.Store(math.Float64bits(share)) }

// Busy is that share.
func (l *Loop) Busy() float64 { return math.Float64frombits(l.busy.Load()) }

// Loaded notes that a configuration is in force, NotReloaded that another is not.
func (p *Process) Loaded(at time.Time) {
	if p.LoadedAt.Swap(at.Unix()) != 0 {
		p.Reloads.Add(1)
	}
	p.ReloadFailed.Store(false)
}

// NotReloaded counts a reload that has changed nothing, as something was wrong with it.
func (p *Process) NotReloaded() {
	p.ReloadsFailed.Add(1)
	p.ReloadFailed.Store(true)
}

// End counts one logged-in client that ended, and why.
func (p *Process) End(r Reason) { p.ended.add(r) }

// Refuse counts one client that was turned away before it was logged in, and why.
func (p *Process) Refuse(r Reason) { p.refused.add(r) }

// Ended returns how many logged-in clients ended, by reason.
func (p *Process) Ended() ReasonCounts { return p.ended.load() }

// Refused returns how many clients were turned away, by reason.
func (p *Process) Refused() ReasonCounts { return p.refused.load() }
