package main

import (
	"fmt"
	"strings"

	"github.com/postlude/postlude/benchmarks/internal/figures"
	"github.com/postlude/postlude/benchmarks/internal/plot"
)

// curve is a section of how figures change with a number.
type curve struct {
	title  string
	file   string // the beginning of its pictures' names
	about  string
	xLabel string
	xs     []int
	set    func(s *spec, x int)
	linear bool // the scale of x
	lines  []line
	charts []chart
	tables []string // units that are shown in a table only
	rounds int
}

// line is a contender in a curve.
type line struct {
	name string // "": that of the kind
	spec spec
	to   int // the highest x; 0: all
}

// chart is a picture of a curve.
type chart struct {
	unit string
	logY bool
}

func (c curve) name() string { return c.file }

func (c curve) at(l line, x int) spec {
	s := l.spec
	c.set(&s, x)
	return s
}

func (l line) label() string {
	if l.name != "" {
		return l.name
	}
	return l.spec.Kind
}

func (l line) ours() bool { return strings.HasPrefix(l.label(), "Postlude") }

func (c curve) groups() (all []group) {
	for _, x := range c.xs {
		g := group{rounds: c.rounds}
		for _, l := range c.lines {
			if l.to == 0 || x <= l.to {
				g.specs = append(g.specs, c.at(l, x))
			}
		}
		all = append(all, g)
	}
	return all
}

func (c curve) write(r *report) {
	r.heading(c.title)
	r.text("%s", c.about)
	for i, ch := range c.charts {
		r.picture(fmt.Sprintf("%s-%d", c.file, i+1), c.draw(r.results, ch))
		r.table(c.table(r.results, ch.unit))
	}
	for _, unit := range c.tables {
		r.table(c.table(r.results, unit))
	}
}

func (c curve) draw(got results, ch chart) plot.Chart {
	out := plot.Chart{Title: c.title + ": " + ch.unit, XLabel: c.xLabel, YLabel: ch.unit, LogX: !c.linear, LogY: ch.logY}
	for _, l := range c.lines {
		drawn := plot.Line{Name: l.label(), Strong: l.ours()}
		for _, x := range c.xs {
			if s, ok := got.spread(c.at(l, x), ch.unit); ok {
				drawn.Points = append(drawn.Points, plot.Point{X: float64(x), Y: s.Median})
			}
		}
		out.Lines = append(out.Lines, drawn)
	}
	return out
}

// table has a row for each contender.
func (c curve) table(got results, unit string) figures.Table {
	t := figures.Table{Head: []string{unit + ", with " + c.xLabel}}
	for _, x := range c.xs {
		t.Head = append(t.Head, number(float64(x)))
	}
	for _, l := range c.lines {
		row, there := []string{l.label()}, false
		for _, x := range c.xs {
			cell := got.cell(c.at(l, x), unit)
			row, there = append(row, cell), there || cell != ""
		}
		if there {
			t.Add(row...)
		}
	}
	return t
}

// powers are the powers of ten up to a number.
func powers(to int) (all []int) {
	for n := 1; n <= to; n *= 10 {
		all = append(all, n)
	}
	return all
}

func setN(s *spec, x int) { s.N = x }
