package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// The drawing, in pixels: one panel below the other, one for each mode; in a panel a group of
// bars for each number of clients, in a group a bar for each chain.
const (
	drawWidth   = 880
	drawLeft    = 56  // of the bars, to the right of the axis' numbers
	drawTop     = 96  // of the first panel, below title and legend
	panelHeight = 170 // of the bars of a panel
	panelEvery  = 230 // from panel to panel
	legendEvery = 200
)

// colours of the chains, by their order in kinds; in the middle of the scale, so that they
// stand out from black and from white.
var colours = map[string]string{
	pgbouncerName: "#d97706", haproxyName: "#8b949e", beforeName: "#a371f7", porteroName: "#1f6feb", porteroAutoName: "#39a0c9",
}

// The picture has a ground of its own, which is dark for whoever likes it so: what stands
// around it may be either.
const drawStyle = `<style>
text { font: 12px sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: bold }
.value { font-size: 9px; text-anchor: middle }
.axis { fill: #59636e; text-anchor: end }
.below { text-anchor: middle }
.ground { fill: #ffffff }
.line { stroke: #8b949e; stroke-opacity: 0.4 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.axis { fill: #9198a1 }
.ground { fill: #0d1117 }
}
</style>
`

// draw is CPU per transaction, by mode, clients and chain, as an SVG; "" if the run has none.
func (r report) draw() string {
	var modes []string
	var chains []string
	for _, key := range r.cells() {
		if colours[key.chain] != "" && !slices.Contains(modes, key.mode) {
			modes = append(modes, key.mode)
		}
	}
	for _, name := range kindNames() {
		if colours[name] != "" && slices.ContainsFunc(r.cells(), func(key cell) bool { return key.chain == name }) {
			chains = append(chains, name)
		}
	}
	if len(modes) == 0 {
		return ""
	}
	height := drawTop + panelEvery*len(modes)
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n", drawWidth, height)
	fmt.Fprintf(&b, "<title>CPU of the proxy per transaction, by mode, clients and chain</title>\n%s", drawStyle)
	fmt.Fprintf(&b, "<rect class=\"ground\" width=\"%d\" height=\"%d\"/>\n", drawWidth, height)
	fmt.Fprintf(&b, "<text class=\"title\" x=\"16\" y=\"28\">CPU of the proxy per transaction, µs (less is better)</text>\n")
	fmt.Fprintf(&b, "<text x=\"16\" y=\"48\">%s</text>\n", escape(fmt.Sprintf("pgbench -S, %d servers; medians of %d rounds; %s, %d cores, %s",
		poolSize, r.rounds, r.machine.cpu, r.machine.cores, r.date)))
	for i, name := range chains {
		x := 16 + i*min(legendEvery, (drawWidth-32)/len(chains))
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"61\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"71\">%s</text>\n",
			x, colours[name], x+18, r.legend(name))
	}
	for i, mode := range modes {
		r.drawPanel(&b, mode, chains, drawTop+i*panelEvery)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// legend is a chain's name in the drawing.
func (r report) legend(name string) string {
	switch name {
	case porteroName:
		return "portero, 1 loop"
	case porteroAutoName:
		return fmt.Sprintf("portero, %d loops", r.machine.cores)
	}
	return label(name)
}

// drawPanel draws the bars of one mode, from a height on.
func (r report) drawPanel(b *strings.Builder, mode string, chains []string, top int) {
	var clients []int
	highest := 0.0
	for _, key := range r.cells() {
		if key.mode != mode || !slices.Contains(chains, key.chain) {
			continue
		}
		highest = max(highest, r.load[key].cpu)
		if !slices.Contains(clients, key.clients) {
			clients = append(clients, key.clients)
		}
	}
	highest = max(highest, 1)
	step := axisStep(highest)
	scale := (panelHeight - 16) / highest // the value stands above the bar
	bottom := top + 20 + panelHeight
	fmt.Fprintf(b, "<text class=\"title\" x=\"%d\" y=\"%d\">%s</text>\n", drawLeft, top+12, mode)
	for v := 0.0; v <= highest; v += step {
		y := float64(bottom) - v*scale
		fmt.Fprintf(b, "<line class=\"line\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/><text class=\"axis\" x=\"%d\" y=\"%.1f\">%.0f</text>\n",
			drawLeft, y, drawWidth-16, y, drawLeft-6, y+4, v)
	}
	group := float64(drawWidth-16-drawLeft) / float64(len(clients))
	width := group * 0.84 / float64(len(chains))
	for i, n := range clients {
		left := drawLeft + group*(float64(i)+0.08)
		for k, name := range chains {
			f, found := r.load[cell{mode, n, name}]
			if !found {
				continue
			}
			x, tall := left+width*float64(k), f.cpu*scale
			fmt.Fprintf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/><text class=\"value\" x=\"%.1f\" y=\"%.1f\">%.1f</text>\n",
				x, float64(bottom)-tall, width-2, tall, colours[name], x+width/2-1, float64(bottom)-tall-3, f.cpu)
		}
		fmt.Fprintf(b, "<text class=\"below\" x=\"%.1f\" y=\"%d\">%s</text>\n", drawLeft+group*(float64(i)+0.5), bottom+16, counted(n))
	}
}

func counted(clients int) string {
	if clients == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", clients)
}

// axisStep is 1, 2 or 5 times a power of ten, so that there are four to ten lines.
func axisStep(highest float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(highest/4)))
	for _, times := range []float64{5, 2} {
		if power*times <= highest/4 {
			return power * times
		}
	}
	return power
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// picture is the drawing as a page shows it, which is beside the page.
func picture(page string) string {
	return fmt.Sprintf("![CPU of the proxy per transaction, by mode, clients and chain](%s)\n\n", filepath.Base(drawingPath(page)))
}
