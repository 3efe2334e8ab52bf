package main

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"slices"
	"time"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Sizes in pixels.
const (
	panelWidth  = 560
	panelHeight = 150
	leftMargin  = 60 // of each panel, for the marks of its axis
	topMargin   = 48 // of each panel, for its title
	footHeight  = 44 // below the last panel
	edge        = 20 // at the right of each panel
	letter      = 7  // width of one
)

var (
	white  = color.RGBA{255, 255, 255, 255}
	black  = color.RGBA{40, 40, 40, 255}
	pale   = color.RGBA{225, 225, 225, 255} // lines of the grid, and where a run had ended
	red    = color.RGBA{200, 30, 30, 255}
	colour = map[string]color.RGBA{
		porteroName: {31, 119, 180, 255}, outerName: {217, 119, 6, 255}, innerName: {112, 128, 144, 255},
	}
)

// writePlot draws a column for each fault that is to be drawn and was played, and in it a
// panel for each chain.
func (r *report) writePlot(path string) error {
	columns := r.columns()
	if len(columns) == 0 {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(file, drawColumns(columns)); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// columns are the typical runs, all of a column cut to the same span.
func (r *report) columns() (columns [][]series) {
	for _, f := range faults {
		var found []*figures
		var column []series
		for _, k := range kinds {
			if runs := r.runs[cell{f, k}]; f.plot && len(runs) > 0 {
				one := typical(runs)
				found = append(found, one)
				column = append(column, series{kind: k, fault: f, steps: one.Steps})
			}
		}
		if len(found) == 0 {
			continue
		}
		n := span(found)
		for i := range column {
			column[i].steps = column[i].steps[:min(n, len(column[i].steps))]
		}
		columns = append(columns, column)
	}
	return columns
}

// drawColumns uses one scale for all panels, and one time axis for each column.
func drawColumns(columns [][]series) image.Image {
	most, rows := 1, 0
	for _, column := range columns {
		rows = max(rows, len(column))
		for _, s := range column {
			most = max(most, slices.Max(append(s.steps, 0)))
		}
	}
	wide := leftMargin + panelWidth + edge
	canvas := image.NewRGBA(image.Rect(0, 0, len(columns)*wide, rows*(topMargin+panelHeight)+footHeight))
	draw.Draw(canvas, canvas.Bounds(), image.NewUniform(white), image.Point{}, draw.Src)
	for x, column := range columns {
		n := 0
		for _, s := range column {
			n = max(n, len(s.steps))
		}
		for y, s := range column {
			left, top := x*wide+leftMargin, y*(topMargin+panelHeight)+topMargin
			p := panel{canvas, image.Rect(left, top, left+panelWidth, top+panelHeight), n, nice(most, tops)}
			p.draw(s, y == len(column)-1)
		}
	}
	return canvas
}

// panel is a place for one series.
type panel struct {
	canvas *image.RGBA
	area   image.Rectangle
	steps  int // shown
	top    int // what reaches the upper edge
}

func (p panel) draw(s series, last bool) {
	p.text(p.area.Min.X, p.area.Min.Y-10, s.kind.plain()+": "+s.fault.what+" - rows confirmed per 100 ms", black)
	p.scale()
	full := p.area.Dy()
	for i := range p.steps {
		left, right := bar(i, p.steps, p.area.Dx())
		if i >= len(s.steps) {
			p.fill(left, 0, right, full, pale)
			continue
		}
		p.fill(left, full-height(s.steps[i], p.top, full), right, full, colour[s.kind.name])
	}
	p.fill(0, full, p.area.Dx(), full+1, black)
	p.fill(-1, 0, 0, full+1, black)
	moment, _ := bar(int(plotBefore/plotStep), p.steps, p.area.Dx())
	p.fill(moment, 0, moment+1, full, red)
	p.seconds(last)
}

// scale draws the marks of the vertical axis.
func (p panel) scale() {
	for _, n := range []int{0, p.top / 2, p.top} {
		y := p.area.Dy() - height(n, p.top, p.area.Dy())
		p.fill(0, y, p.area.Dx(), y+1, pale)
		label := fmt.Sprint(n)
		p.text(p.area.Min.X-6-letter*len(label), p.area.Min.Y+y+4, label, black)
	}
}

// seconds draws the marks of the time axis, and below the last panel what they mean.
func (p panel) seconds(last bool) {
	every := tick(p.steps)
	length := int(time.Duration(p.steps)*plotStep/time.Second) - int(plotBefore/time.Second)
	for second := 0; second <= length; second += every {
		x, _ := bar(int((plotBefore+time.Duration(second)*time.Second)/plotStep), p.steps, p.area.Dx())
		p.fill(x, p.area.Dy(), x+1, p.area.Dy()+4, black)
		label := fmt.Sprint(second)
		p.text(p.area.Min.X+x-letter*len(label)/2, p.area.Max.Y+17, label, black)
	}
	if last {
		p.text(p.area.Min.X, p.area.Max.Y+34, "seconds since the fault (red)", black)
	}
}

// fill paints a rectangle of the panel.
func (p panel) fill(left, top, right, bottom int, c color.RGBA) {
	draw.Draw(p.canvas, image.Rect(left, top, right, bottom).Add(p.area.Min), image.NewUniform(c), image.Point{}, draw.Src)
}

// text writes on the canvas, with the base line at y.
func (p panel) text(x, y int, text string, c color.RGBA) {
	d := font.Drawer{Dst: p.canvas, Src: image.NewUniform(c), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(text)
}
