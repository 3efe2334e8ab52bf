//go:build !race

package proxy_test

import (
	"cmp"
	"flag"
	"maps"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

var where = flag.Bool("where", false, "say in which functions the instructions of a transaction are, with -v")

// places is how often the instruction at an address was executed. The process that is counted
// runs the same program, so its addresses are this one's.
type places map[uintptr]int

func (p places) step(tid int) {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) == nil {
		p[uintptr(regs.PC())]++
	}
}

// spot is a function, with all that is inlined in it.
type spot struct {
	name                string
	instructions, calls int
}

// tell names the functions, the most expensive first.
func (p places) tell(t *testing.T) {
	spots := make(map[string]*spot)
	for pc, n := range p {
		name, begins := "of the kernel (vdso)", false
		if f := runtime.FuncForPC(pc); f != nil {
			name, begins = runtime.FuncForPC(f.Entry()).Name(), f.Entry() == pc
		}
		s := spots[name]
		if s == nil {
			s = &spot{name: name}
			spots[name] = s
		}
		if s.instructions += n; begins {
			s.calls += n
		}
	}
	for _, s := range slices.SortedFunc(maps.Values(spots), func(a, b *spot) int {
		return cmp.Or(cmp.Compare(b.instructions, a.instructions), cmp.Compare(a.name, b.name))
	}) {
		t.Logf("%6d instructions, %d calls: %s", s.instructions, s.calls, s.name)
	}
}
