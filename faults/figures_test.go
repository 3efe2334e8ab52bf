package main

import (
	"slices"
	"testing"
	"time"

	"portero/internal/lab"
)

func at(ms int) time.Time { return time.UnixMilli(int64(ms)) }

func TestStepsCountRowsByWhenTheyWereConfirmed(t *testing.T) {
	ledger := lab.Ledger{
		{Acked: []lab.Ack{{Ended: at(999)}, {Ended: at(1000)}, {Ended: at(1099)}, {Ended: at(1100)}}},
		{Acked: []lab.Ack{{Ended: at(1050)}, {Ended: at(1399)}, {Ended: at(1400)}}},
	}
	if got, want := steps(ledger, at(1000), at(1400)), []int{3, 1, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := steps(ledger, at(1000), at(900)); len(got) != 0 {
		t.Errorf("of a time that ends before it begins: %v", got)
	}
}

// The COPY, which is last and slow by itself, does not count as a pause.
func TestTheCopyIsNoPause(t *testing.T) {
	quick := lab.Account{Acked: []lab.Ack{{Ended: at(0)}, {Ended: at(100)}, {Ended: at(150)}, {Ended: at(300)}}}
	slow := lab.Account{Acked: []lab.Ack{{Ended: at(0)}, {Ended: at(5000)}}}
	var f figures
	f.time(lab.Ledger{quick, slow}, 1, at(0), at(300))
	if f.All != 150*time.Millisecond || f.Worst != 150*time.Millisecond {
		t.Errorf("all %v, worst %v", f.All, f.Worst)
	}
}
