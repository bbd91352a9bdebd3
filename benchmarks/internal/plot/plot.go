// Package plot draws line charts as SVG: enough for the reports of the benchmarks, and
// readable on light and dark pages.
package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Chart is one picture.
type Chart struct {
	Title  string
	XLabel string
	YLabel string
	LogX   bool
	LogY   bool
	Lines  []Line
}

// Line is a row of points, in the order of X. On a logarithmic scale, those that are not
// positive are left out.
type Line struct {
	Name   string
	Points []Point
	Strong bool // drawn thicker: what the chart is about
}

// Point is one of a Line.
type Point struct{ X, Y float64 }

const (
	width, height = 760, 420
	left, right   = 78, 24
	bottom        = 52
	titleHeight   = 30
	legendHeight  = 20
)

// palette has colours that are told apart on white and on black, and by most who are
// colour-blind; the marks differ, too.
var palette = []string{"#0b84d8", "#e36209", "#2a9d5c", "#c0398b", "#8957e5", "#b08800", "#7d8590"}

const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-linejoin: round }
@media (prefers-color-scheme: dark) { text { fill: #d1d7e0 } .grid { stroke: #3d444d } }
</style>`

// SVG draws the chart.
func (c Chart) SVG() string {
	var b strings.Builder
	legend, rows := c.legend()
	top := float64(titleHeight + rows*legendHeight + 12)
	x := newScale(c.LogX, left, width-right, c.values(func(p Point) float64 { return p.X }))
	y := newScale(c.LogY, height-bottom, top, c.values(func(p Point) float64 { return p.Y }))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n%s\n",
		width, height, html.EscapeString(c.Title), style)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="20">%s</text>`+"\n", left, html.EscapeString(c.Title))
	b.WriteString(legend)
	for _, v := range y.ticks() {
		fmt.Fprintf(&b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`+"\n", left, y.at(v), width-right, y.at(v))
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-8, y.at(v)+4, tick(v))
	}
	for _, v := range x.ticks() {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%d"/>`+"\n", x.at(v), top, x.at(v), height-bottom)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x.at(v), height-bottom+18, tick(v))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-12, html.EscapeString(c.XLabel))
	fmt.Fprintf(&b, `<text transform="translate(16 %.0f) rotate(-90)" text-anchor="middle">%s</text>`+"\n",
		(top+height-bottom)/2, html.EscapeString(c.YLabel))
	for i, l := range c.Lines {
		b.WriteString(l.draw(i, x, y))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// legend names the lines, in as many rows as it takes.
func (c Chart) legend() (svg string, rows int) {
	var b strings.Builder
	at, row := float64(left), 0
	for i, l := range c.Lines {
		wide := 44 + 6.6*float64(len([]rune(l.Name)))
		if at > left && at+wide > width-right {
			at, row = left, row+1
		}
		y := float64(titleHeight + row*legendHeight + 8)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%s"/>`, at, y, at+22, y, l.colour(i), l.thickness())
		b.WriteString(mark(i, at+11, y, l.colour(i)))
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f">%s</text>`+"\n", at+28, y+4, html.EscapeString(l.Name))
		at += wide
	}
	return b.String(), row + 1
}

func (c Chart) values(of func(Point) float64) (all []float64) {
	for _, l := range c.Lines {
		for _, p := range l.Points {
			all = append(all, of(p))
		}
	}
	return all
}

func (l Line) colour(i int) string { return palette[i%len(palette)] }

func (l Line) thickness() string {
	if l.Strong {
		return "3"
	}
	return "1.6"
}

func (l Line) draw(i int, x, y scale) string {
	var path, marks strings.Builder
	for _, p := range l.Points {
		if !x.shows(p.X) || !y.shows(p.Y) {
			continue
		}
		command := "L"
		if path.Len() == 0 {
			command = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", command, x.at(p.X), y.at(p.Y))
		marks.WriteString(mark(i, x.at(p.X), y.at(p.Y), l.colour(i)))
	}
	return fmt.Sprintf(`<path class="line" stroke="%s" stroke-width="%s" d="%s"/>`+"\n%s\n", l.colour(i), l.thickness(), path.String(), marks.String())
}

// mark is a circle, a square, a diamond or a triangle.
func mark(i int, x, y float64, colour string) string {
	switch i % 4 {
	case 0:
		return fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, x, y, colour)
	case 1:
		return fmt.Sprintf(`<rect x="%.1f" y="%.1f" width="7" height="7" fill="%s"/>`, x-3.5, y-3.5, colour)
	case 2:
		return fmt.Sprintf(`<path d="M%.1f %.1fl5 5l-5 5l-5 -5z" fill="%s"/>`, x, y-5, colour)
	default:
		return fmt.Sprintf(`<path d="M%.1f %.1fl5 8h-10z" fill="%s"/>`, x, y-5, colour)
	}
}

// tick is a number as an axis shows it.
func tick(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 1e6:
		return trim(v/1e6) + "M"
	case abs >= 1e3:
		return trim(v/1e3) + "k"
	default:
		return trim(v)
	}
}

func trim(v float64) string { return fmt.Sprintf("%.4g", v) }
