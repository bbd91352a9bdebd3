package main

import (
	"fmt"
	"slices"

	"github.com/postlude/postlude/benchmarks/internal/contend"
	"github.com/postlude/postlude/benchmarks/internal/figures"
)

// costs is the section of what one task costs.
type costs struct {
	tasks  int
	rounds int
}

var (
	samplings  = []contend.Sampling{contend.Sampled, contend.Unsampled, contend.NoOp}
	submitters = []int{1, 64}
)

const (
	slogPostlude = "Postlude, slog.JSONHandler"
	ourPostlude  = "Postlude, its JSON handler"
	onPond       = "by hand, on pond"
	onAnts       = "by hand, on ants"
	semaphore    = "by hand, semaphore"
	bareGo       = "bare go"
)

func (costs) name() string { return "cost" }

func (c costs) spec(kind string, s contend.Sampling, submitters int) spec {
	return spec{Measure: costName, Kind: kind, Sampling: s, Submitters: submitters, N: c.tasks}
}

func (c costs) groups() (all []group) {
	for _, n := range submitters {
		bare := group{rounds: c.rounds}
		for _, k := range contend.Bare {
			bare.specs = append(bare.specs, c.spec(k.Name, contend.NoOp, n))
		}
		all = append(all, bare)
		for _, s := range samplings {
			g := group{rounds: c.rounds}
			for _, k := range observers(s) {
				g.specs = append(g.specs, c.spec(k.Name, s, n))
			}
			all = append(all, g)
		}
	}
	return all
}

// observers are the kinds that differ with that sampling: without an SDK, it makes no spans.
func observers(s contend.Sampling) []contend.Kind {
	return slices.DeleteFunc(slices.Clone(contend.Observed), func(k contend.Kind) bool { return k.SDKSpans && s == contend.NoOp })
}

func (c costs) write(r *report) {
	r.heading("The cost of a task")
	r.text(`From the first task that is scheduled until the last span is exported, %d tasks, with 64 in flight for each
submitter. CPU is that of the whole process, garbage collection and the batch processor included. The ratio is
that to the task by hand on a goroutine of its own, in the same round: the median, and the lowest and highest; then the
medians of the rounds in which the cores were near to each other, and far.`, c.tasks)
	t := figures.Table{Head: []string{"contender", "spans", "submitters", cpuPerTask, "ratio", "lowest – highest", "cores near", "cores far", wallPerTask, bytesPerTask, allocsPerTask}}
	row := func(name string, s, base spec, spans string) {
		median, extremes := r.results.ratioCells(s, base, cpuPerTask)
		if median == "" {
			return
		}
		t.Add(name, spans, fmt.Sprint(s.Submitters), r.results.cell(s, cpuPerTask), median, extremes,
			r.cellOf(ratio(s, base, cpuPerTask), nearCores), r.cellOf(ratio(s, base, cpuPerTask), farCores),
			r.results.cell(s, wallPerTask), r.results.cell(s, bytesPerTask), r.results.cell(s, allocsPerTask))
	}
	for _, sampling := range samplings {
		for _, n := range submitters {
			for _, k := range observers(sampling) {
				row(k.Name, c.spec(k.Name, sampling, n), c.spec(contend.ByHand, sampling, n), string(sampling))
			}
		}
	}
	r.table(t)
	r.text("What scheduling alone costs, nothing observed. The ratio is that to a bare `go`.")
	t.Rows = nil
	for _, n := range submitters {
		for _, k := range contend.Bare {
			row(k.Name, c.spec(k.Name, contend.NoOp, n), c.spec(bareGo, contend.NoOp, n), "none")
		}
	}
	r.table(t)
}
