package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/figures"
)

// group is what is compared with one another: its measurements come one after another, so
// that what else the machine does meets them alike.
type group struct {
	specs  []spec
	rounds int
}

// section is a part of the report.
type section interface {
	name() string
	groups() []group
	// write adds the section to the report.
	write(*report)
}

// results are what came of the measurements, by round; nil where one failed.
type results map[spec][]values

// runner carries out rounds.
type runner struct {
	rounds   int            // 0: as many as the groups say
	only     *regexp.Regexp // the measurements to make; nil: all
	profiles string         // a folder; "": none
	limit    time.Duration  // no measurement is begun after that
	progress func(format string, args ...any)
	measure  func(ctx context.Context, s spec, profiles string) (values, error)
}

// planned is a measurement and its round.
type planned struct {
	spec
	round, of int
}

// plan puts the measurements in order: round by round, so that those that the time does not
// suffice for are of the last. In a round, the groups come in random order, and so do the
// measurements of each.
func (r runner) plan(sections []section) (out []planned) {
	var all []group
	most := 0
	for _, s := range sections {
		for _, g := range s.groups() {
			if r.rounds > 0 {
				g.rounds = r.rounds
			}
			all, most = append(all, g), max(most, g.rounds)
		}
	}
	for round := range most {
		for _, k := range rand.Perm(len(all)) {
			g := all[k]
			for _, i := range rand.Perm(len(g.specs)) {
				if round < g.rounds && (r.only == nil || r.only.MatchString(g.specs[i].String())) {
					out = append(out, planned{g.specs[i], round + 1, g.rounds})
				}
			}
		}
	}
	return out
}

// run makes all measurements that out does not have yet, and adds them. One that fails is
// left out, and told of.
func (r runner) run(ctx context.Context, sections []section, out results) (faults []error) {
	all, began := r.plan(sections), time.Now()
	all = slices.DeleteFunc(all, func(p planned) bool { return p.round <= len(out[p.spec]) })
	for i, p := range all {
		if ctx.Err() != nil {
			return append(faults, context.Cause(ctx))
		}
		if r.limit > 0 && time.Since(began) > r.limit {
			return append(faults, fmt.Errorf("%d of %d measurements were not made: the time of %v was up", len(all)-i, len(all), r.limit))
		}
		got, err := r.measure(ctx, p.spec, r.profiles)
		if err != nil {
			faults = append(faults, err)
		}
		out[p.spec] = append(out[p.spec], got)
		r.progress("%d/%d, round %d of %d: %s: %v\n", i+1, len(all), p.round, p.of, p.spec, got)
	}
	return faults
}

// of returns a figure in all rounds; NaN where it is missing.
func (r results) of(s spec, unit string) []float64 {
	var out []float64
	for _, v := range r[s] {
		if got, ok := v[unit]; ok {
			out = append(out, got)
		} else {
			out = append(out, math.NaN())
		}
	}
	return out
}

// spread is a figure's median and extremes, over the rounds that have it.
func (r results) spread(s spec, unit string) (figures.Spread, bool) {
	return spreadOf(r.of(s, unit))
}

// ratio is that of the figures of two, round by round, of those that had both on such cores.
func (r results) ratio(s, to spec, unit string, where cores) (figures.Spread, bool) {
	ratios := figures.Ratios(r.of(s, unit), r.of(to, unit))
	a, b := r.of(s, coreToCore), r.of(to, coreToCore)
	for i := range ratios {
		if !where.has(a[i]) || !where.has(b[i]) {
			ratios[i] = math.NaN()
		}
	}
	return spreadOf(ratios)
}

func spreadOf(all []float64) (figures.Spread, bool) {
	var there []float64
	for _, v := range all {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			there = append(there, v)
		}
	}
	return figures.SpreadOf(there), len(there) > 0
}

// cell is a median as a table shows it.
func (r results) cell(s spec, unit string) string {
	got, ok := r.spread(s, unit)
	if !ok {
		return ""
	}
	return number(got.Median)
}

// ratioCells are a ratio's median, and its extremes.
func (r results) ratioCells(s, to spec, unit string) (median, extremes string) {
	got, ok := r.ratio(s, to, unit, anyCores)
	if !ok {
		return "", ""
	}
	return fmt.Sprintf("%.2f", got.Median), fmt.Sprintf("%.2f – %.2f", got.Low, got.High)
}

// number writes whole numbers as such.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return figures.Number(v)
}
