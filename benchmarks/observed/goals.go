package main

import (
	"fmt"

	"github.com/postlude/postlude/benchmarks/internal/contend"
	"github.com/postlude/postlude/benchmarks/internal/figures"
)

// goal is a figure with a bound that it has to keep.
type goal struct {
	text    string
	bound   float64
	atLeast bool // the bound is the lowest; else the highest
	aim     float64
	got     figure
}

// figure is a value of the results, if it was measured, and on such cores.
type figure func(results, cores) (float64, bool)

func (r *report) goals() figures.Table {
	t := figures.Table{Head: []string{"goal", "bound", "aim", "measured", "", "cores near", "cores far"}}
	for _, g := range r.all() {
		v, ok := g.got(r.results, anyCores)
		if !ok {
			continue
		}
		sign, verdict := "≤ ", "met"
		if g.atLeast {
			sign = "≥ "
		}
		if g.atLeast && v < g.bound || !g.atLeast && v > g.bound {
			verdict = "**missed**"
		}
		aim := ""
		if g.aim > 0 {
			aim = sign + number(g.aim)
		}
		t.Add(g.text, sign+number(g.bound), aim, number(v), verdict, r.cellOf(g.got, nearCores), r.cellOf(g.got, farCores))
	}
	return t
}

// cellOf is a figure as a table shows it; empty if there is none.
func (r *report) cellOf(f figure, where cores) string {
	v, ok := f(r.results, where)
	if !ok {
		return ""
	}
	return number(v)
}

func (sc scale) all() []goal {
	c, w := costs{sc.tasks, sc.rounds}, web{sc.httpRequests, sc.rounds}
	var out []goal
	for _, n := range submitters {
		suffix := fmt.Sprintf(", submitters: %d", n)
		hand := func(s contend.Sampling) spec { return c.spec(contend.ByHand, s, n) }
		out = append(
			out,
			goal{"CPU / by hand, sampled, slog.JSONHandler" + suffix, 0.40, false, 0.30, ratio(c.spec(slogPostlude, contend.Sampled, n), hand(contend.Sampled), cpuPerTask)},
			goal{"CPU / by hand, sampled, our JSON handler" + suffix, 0.30, false, 0.22, ratio(c.spec(ourPostlude, contend.Sampled, n), hand(contend.Sampled), cpuPerTask)},
			goal{"CPU / by hand, unsampled, our JSON handler" + suffix, 0.20, false, 0.12, ratio(c.spec(ourPostlude, contend.Unsampled, n), hand(contend.Unsampled), cpuPerTask)},
		)
	}
	at := func(kind string, rate int) spec { return sc.rates().at(line{spec: sampled(pacedName, kind)}, rate) }
	failing := sc.failing()
	fail := func(percent int) spec {
		return failing.at(line{spec: spec{Measure: failuresName, Kind: slogPostlude, Sampling: contend.Sampled, Submitters: 64, N: sc.tasks}}, percent)
	}
	million := func(l line) spec { s := l.spec; s.N = 1_000_000; return s }
	queue := line{spec: sampled(queuedName, ourPostlude)}
	const mib = 1e6 / (1 << 20) // of a million tasks, for each byte
	return append(
		out,
		goal{"allocations, sampled, our JSON handler", 10, false, 8, median(c.spec(ourPostlude, contend.Sampled, 1), allocsPerTask, 1)},
		goal{"allocations, unsampled, our JSON handler", 5, false, 4, median(c.spec(ourPostlude, contend.Unsampled, 1), allocsPerTask, 1)},
		goal{"scheduling call at 20,000/s, p50, µs", 0.3, false, 0, median(at(slogPostlude, 20_000), submitP50, 1)},
		goal{"scheduling call at 20,000/s, p99 / bare go", 1.2, false, 0, ratio(at(slogPostlude, 20_000), at(bareGo, 20_000), submitP99)},
		goal{"50,000/s offered, % of the rate held", 98, true, 0, median(at(slogPostlude, 50_000), held, 1)},
		goal{"50,000/s offered, start p99, ms", 5, false, 0, median(at(slogPostlude, 50_000), startP99, 1e-3)},
		goal{"requests/s with a task / without, our JSON handler", 0.78, true, 0, ratio(w.spec(ourPostlude), w.spec(noTask), requestsPerSecond)},
		goal{"1,000,000 queued, one request, MiB", 240, false, 0, median(million(queue), memoryPerTask, mib)},
		goal{"1,000,000 queued, own requests, LeanContext, MiB", 320, false, 0, median(million(leanOwn), memoryPerTask, mib)},
		goal{"goroutines with 1,000,000 queued, 64 workers", busyWorkers + 10, false, 0, median(million(queue), goroutinesNow, 1)},
		goal{"drain of 1,000,000 sampled tasks, s", 4.5, false, 0, median(million(queue), drainSeconds, 1)},
		goal{"spans lost in that drain", 0, false, 0, median(million(queue), spansLost, 1)},
		goal{"1,000,000 timers, beyond queued tasks, MiB", 60, false, 0, difference(million(waitsLong), million(leanShared), memoryPerTask, mib)},
		goal{"1,000,000 waiting for a retry, mean lateness, ms", 5, false, 0, median(million(pendingRetries), latenessMean, 1)},
		goal{"failing task with 3 handlers / succeeding", 3, false, 0, ratio(fail(100), fail(0), cpuPerTask)},
	)
}

// Only ratios are told apart by cores.

func median(s spec, unit string, times float64) figure {
	return func(r results, where cores) (float64, bool) {
		got, ok := r.spread(s, unit)
		return got.Median * times, ok && where == anyCores
	}
}

func ratio(s, to spec, unit string) figure {
	return func(r results, where cores) (float64, bool) {
		got, ok := r.ratio(s, to, unit, where)
		return got.Median, ok
	}
}

func difference(s, from spec, unit string, times float64) figure {
	return func(r results, where cores) (float64, bool) {
		a, ok1 := r.spread(s, unit)
		b, ok2 := r.spread(from, unit)
		return max(0, a.Median-b.Median) * times, ok1 && ok2 && where == anyCores
	}
}
