package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/figures"
)

// report is what came of a run.
type report struct {
	scale
	results  results
	backends []string
	about    []string // machine and databases
	command  string
	began    time.Time
	took     time.Duration
	before   float64   // the load, when nothing was measured yet
	loads    []float64 // at the start of each round, and at the end
}

// comparison is Postlude beside raw River on the same settings, in one figure.
type comparison struct {
	backend, measurement string
	figure
	defaults, same, postlude figures.Spread // of absolute values; defaults is zero where it has none
	ratio                    figures.Spread // of Postlude to same
	rounds                   int
}

// met tells whether the target is; true if there is none.
func (c comparison) met() bool {
	return (c.atLeast == 0 || c.ratio.Median >= c.atLeast) && (c.atMost == 0 || c.ratio.Median <= c.atMost)
}

func (c comparison) target() string {
	verdict := "met"
	if !c.met() {
		verdict = "MISSED"
	}
	switch {
	case c.rounds == 0:
		return ""
	case c.atLeast > 0:
		return fmt.Sprintf("≥ %.1f: %s", c.atLeast, verdict)
	case c.atMost > 0:
		return fmt.Sprintf("≤ %.1f: %s", c.atMost, verdict)
	default:
		return "none"
	}
}

// comparisons of a database, those that were measured.
func (r report) comparisons(backend string) []comparison {
	var out []comparison
	for _, m := range r.measurements() {
		of := func(v variant) [][]float64 { return r.results[key{backend, m.name, v.name}] }
		if len(of(riverDefaults))+len(of(riverSame))+len(of(postludeFull)) == 0 {
			continue
		}
		for i, f := range m.figures {
			same, ours := column(of(riverSame), i), column(of(postludeFull), i)
			paired := figures.Ratios(ours, same)
			out = append(out, comparison{
				backend: backend, measurement: m.name, figure: f, rounds: len(paired),
				defaults: figures.SpreadOf(column(of(riverDefaults), i)), same: figures.SpreadOf(same), postlude: figures.SpreadOf(ours),
				ratio: figures.SpreadOf(paired),
			})
		}
	}
	return out
}

// tables has a table for each database.
func (r report) tables() string {
	var b strings.Builder
	for _, backend := range r.backends {
		t := figures.Table{Head: []string{backend, "", riverDefaults.name, riverSame.name, postludeFull.name, "ratio", "lowest – highest", "target"}}
		for _, c := range r.comparisons(backend) {
			span, ratio := "", ""
			if c.rounds > 0 {
				span, ratio = fmt.Sprintf("%.2f – %.2f", c.ratio.Low, c.ratio.High), fmt.Sprintf("%.2f", c.ratio.Median)
			}
			t.Add(c.measurement, c.unit, orNothing(c.defaults), orNothing(c.same), orNothing(c.postlude), ratio, span, c.target())
		}
		if len(t.Rows) > 0 {
			b.WriteString(t.String() + "\n")
		}
	}
	return b.String()
}

// everyRound has the figures that the medians are of.
func (r report) everyRound() string {
	t := figures.Table{Head: []string{"database", "measurement", "variant"}}
	for i := range r.rounds {
		t.Head = append(t.Head, fmt.Sprintf("round %d", i+1))
	}
	for _, backend := range r.backends {
		for _, m := range r.measurements() {
			for i, f := range m.figures {
				for _, v := range m.variants {
					if values := column(r.results[key{backend, m.name, v.name}], i); len(values) > 0 {
						row := []string{backend, m.name + ", " + f.unit, v.name}
						for _, value := range values {
							row = append(row, figures.Number(value))
						}
						t.Add(row...)
					}
				}
			}
		}
	}
	return t.String()
}

func orNothing(s figures.Spread) string {
	if s == (figures.Spread{}) {
		return ""
	}
	return figures.Number(s.Median)
}

// column is one figure in all rounds.
func column(rounds [][]float64, figure int) []float64 {
	out := make([]float64, len(rounds))
	for i, values := range rounds {
		out[i] = values[figure]
	}
	return out
}
