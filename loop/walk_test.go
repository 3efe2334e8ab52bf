package loop

import (
	"slices"
	"testing"
)

func TestAWalkComesByEverySocketOnceAndMayCloseIt(t *testing.T) {
	l := startLoop(t, 0)
	var want []Handler
	for range 7 {
		p, _ := adopt(t, l)
		want = append(want, p)
	}
	for _, n := range []int{1, 3, 4096} {
		var got []Handler
		do(t, l, func() {
			from := 0
			for {
				before := len(got)
				from = l.Walk(from, n, func(h Handler) { got = append(got, h) })
				if len(got)-before > n {
					t.Errorf("%d in a step of %d", len(got)-before, n)
				}
				if from == 0 {
					return
				}
			}
		})
		for _, h := range want {
			if i := slices.Index(got, h); i < 0 || slices.Contains(got[i+1:], h) {
				t.Errorf("in steps of %d it came by %d sockets", n, len(got))
			}
		}
		if len(got) != len(want) {
			t.Errorf("in steps of %d it came by %d sockets, want %d", n, len(got), len(want))
		}
	}
	left := 0
	do(t, l, func() {
		l.Walk(0, 4096, func(h Handler) { h.(*peer).sock.Close() })
		l.Walk(0, 4096, func(Handler) { left++ })
	})
	if left != 0 {
		t.Errorf("%d sockets are left", left)
	}
}
