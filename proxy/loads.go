package proxy

import (
	"time"

	"golang.org/x/sys/unix"

	"portero/loop"
)

// gauges are how the loops were when they were looked at last. They belong to the sweep.
type gauges struct {
	at     int64           // on the loops' clock
	cpu    time.Duration   // that the process had used
	worked []time.Duration // by loop
}

// lookAtLoops takes the loads, and has clients go over if that is due. By the sweep alone.
func (p *Proxy) lookAtLoops() {
	busy := p.gauges.read(p.loops)
	loads := make([]load, len(busy))
	for i, share := range busy {
		loads[i] = load{share, int(p.stations[i].working.Load())}
		p.stations[i].load.SetBusy(share)
	}
	if o := p.balance.look(loads); o.n > 0 {
		p.send(o)
	}
}

// read is which share of a processor each loop has used since the last call.
func (g *gauges) read(loops []*loop.Loop) []float64 {
	before, at, cpu := *g, loop.Clock(), usedCPU()
	g.at, g.cpu, g.worked = at, cpu, make([]time.Duration, len(loops))
	busy := make([]time.Duration, len(loops))
	for i, l := range loops {
		if g.worked[i] = l.Worked(); before.worked != nil {
			busy[i] = g.worked[i] - before.worked[i]
		}
	}
	return shareOut(busy, time.Duration(at-before.at), cpu-before.cpu)
}

// shareOut is how much of a processor loops have used that were at work for so long of a span,
// in which the process has used so much. What they have waited for a processor is left out: where
// none is free, another loop would have none either.
func shareOut(busy []time.Duration, span, cpu time.Duration) []float64 {
	sum := time.Duration(0)
	for _, d := range busy {
		sum += d
	}
	part := 1.0
	if sum > cpu {
		part = float64(cpu) / float64(sum)
	}
	shares := make([]float64, len(busy))
	for i, d := range busy {
		shares[i] = min(1, part*float64(d)/float64(max(span, 1)))
	}
	return shares
}

// usedCPU is the processor time that the process has used; 0 where the kernel does not say.
func usedCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// firstWithRoom is the loop for a client that comes, by what the last look has found. Any
// goroutine.
func (p *Proxy) firstWithRoom() *loop.Loop {
	busy := make([]float64, len(p.loops))
	for i, st := range p.stations {
		busy[i] = st.load.Busy()
	}
	return p.loops[roomiest(busy)]
}
