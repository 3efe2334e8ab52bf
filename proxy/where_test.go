//go:build !race

package proxy_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"syscall"
)

// places is how often the instruction at an address was executed. The process that is counted
// runs the same program, so its addresses are this one's.
type places map[uintptr]int

func (p places) step(tid int) {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) == nil {
		p[uintptr(regs.PC())]++
	}
}

// spot is a function with what is inlined in it.
type spot struct {
	name                string
	instructions, calls int
}

func (p places) print() {
	if len(p) == 0 {
		return
	}
	spots := make(map[string]*spot)
	lines := make(map[string]int)
	for pc, n := range p {
		name := "vdso"
		if f := runtime.FuncForPC(pc); f != nil {
			name = runtime.FuncForPC(f.Entry()).Name()
			fr, _ := runtime.CallersFrames([]uintptr{pc + 1}).Next()
			lines[fmt.Sprintf("%s:%d", fr.File, fr.Line)] += n
		}
		s := spots[name]
		if s == nil {
			s = &spot{name: name}
			spots[name] = s
		}
		s.instructions += n
		if f := runtime.FuncForPC(pc); f != nil && f.Entry() == pc {
			s.calls += n
		}
	}
	for _, s := range slices.SortedFunc(maps.Values(spots), func(a, b *spot) int { return cmp.Compare(b.instructions, a.instructions) }) {
		fmt.Printf("%6d %4d %s\n", s.instructions, s.calls, s.name)
	}
	if os.Getenv("LINES") != "" {
		for _, k := range slices.Sorted(maps.Keys(lines)) {
			fmt.Printf("L %6d %s\n", lines[k], k)
		}
	}
}
