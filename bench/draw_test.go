package main

import (
	"encoding/xml"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/drawing.svg anew")

func TestDrawingIsTheSameForTheSameFigures(t *testing.T) {
	const golden = "testdata/drawing.svg"
	got := madeUp().draw()
	if *rewrite {
		writeFile(t, golden, got)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the drawing is not %s; look at it after go test ./bench -run Drawing -args -rewrite\n%s", golden, got)
	}
}

func TestDrawingIsWellFormed(t *testing.T) {
	for decoder := xml.NewDecoder(strings.NewReader(madeUp().draw())); ; {
		_, err := decoder.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingIsDrawnWithoutProxies(t *testing.T) {
	direct := report{load: map[cell]figures{{"simple", 1, directName}: {tps: 1000}}}
	if got := direct.draw(); got != "" {
		t.Error(got)
	}
}

func TestAxisHasFourToTenLines(t *testing.T) {
	for _, highest := range []float64{1, 3.9, 4, 7, 9.99, 12, 39, 40, 77, 118.6, 250, 999} {
		if lines := highest / axisStep(highest); lines < 3.999 || lines > 10.001 {
			t.Errorf("up to %v by %v: %v lines", highest, axisStep(highest), lines)
		}
	}
}
