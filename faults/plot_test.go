package main

import (
	"slices"
	"testing"
	"time"
)

func TestNiceTopsOfAnAxis(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 2: 2, 5: 6, 7: 8, 9: 10, 99: 100, 170: 200, 201: 300, 801: 1000} {
		if got := nice(n, tops); got != want {
			t.Errorf("nice(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestTicksAreAtMostTen(t *testing.T) {
	for steps, want := range map[int]int{50: 1, 100: 1, 110: 2, 350: 5, 430: 5, 900: 10} {
		if got := tick(steps); got != want {
			t.Errorf("tick(%d) = %d, want %d", steps, got, want)
		}
	}
}

func TestBarsFillTheAxisWithoutGaps(t *testing.T) {
	for _, n := range []int{1, 7, 70, 420} {
		end := 0
		for i := range n {
			left, right := bar(i, n, panelWidth)
			if left != end || right <= left {
				t.Fatalf("bar %d of %d is from %d to %d, behind %d", i, n, left, right, end)
			}
			end = right
		}
		if end != panelWidth {
			t.Errorf("%d bars end at %d", n, end)
		}
	}
	if height(50, 200, 120) != 30 || height(300, 200, 120) != 120 || height(0, 200, 120) != 0 {
		t.Error("heights")
	}
}

func TestTheTypicalRunIsTheMedian(t *testing.T) {
	var runs []*figures
	for _, worst := range []time.Duration{5, 1, 9, 3} {
		runs = append(runs, &figures{Worst: worst})
	}
	if got := typical(runs).Worst; got != 3 {
		t.Errorf("%d", got)
	}
	if got := span([]*figures{{Worst: time.Second}, {Worst: 6 * time.Second}}); got != 110 {
		t.Errorf("a span of %d steps", got)
	}
	if got := span([]*figures{{Worst: time.Hour}}); got != 420 {
		t.Errorf("the longest span has %d steps", got)
	}
}

// A panel's bars stand where their steps are, and as high as they are.
func TestBarsAreDrawn(t *testing.T) {
	steps := slices.Repeat([]int{100}, 50)
	clear(steps[20:30]) // one second without a row, beginning with the fault
	column := []series{{kind: kindByName(porteroName), fault: faultByName("crash"), steps: steps}}
	canvas := drawColumns([][]series{column})
	blue := colour[porteroName]
	middle := topMargin + panelHeight/2
	for step, want := range map[int]bool{5: true, 19: true, 25: false, 31: true, 49: true} {
		left, right := bar(step, 50, panelWidth)
		if got := canvas.At(leftMargin+(left+right)/2, middle) == blue; got != want {
			t.Errorf("step %d is drawn: %v", step, got)
		}
	}
	moment, _ := bar(20, 50, panelWidth)
	if canvas.At(leftMargin+moment, middle) != red {
		t.Error("the fault is not marked")
	}
}
