package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"runtime"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/machine"
)

// scale is how much is measured.
type scale struct {
	rounds  int
	inserts int // jobs of an insert measurement
	jobs    int // of a work measurement
	rates   []int
	span    time.Duration // of a latency measurement
	// patience is how long one measurement may take, before it is taken for stuck.
	patience time.Duration
}

var (
	full  = scale{rounds: 5, inserts: 10_000, jobs: 100_000, rates: []int{50, 500}, span: 10 * time.Second, patience: 3 * time.Minute}
	smoke = scale{rounds: 1, inserts: 32, jobs: 200, rates: []int{50}, span: 300 * time.Millisecond, patience: time.Minute}
)

// measurement is a row of the report, or several: one for each figure that a run of it has.
type measurement struct {
	name     string
	figures  []figure
	variants []variant
	run      func(ctx context.Context, q queue, v variant) ([]float64, error)
}

// figure is what is measured, and what Postlude's is to be, relative to that of raw River
// on the same settings.
type figure struct {
	unit    string
	atLeast float64 // 0: no bound
	atMost  float64 // 0: no bound
}

var (
	jobsPerSecond = figure{unit: "jobs/s", atLeast: 0.9}
	cpuPerJob     = figure{unit: "µs of CPU per job"}
	p50           = figure{unit: "p50, ms"}
	p99           = figure{unit: "p99, ms", atMost: 1.2}
)

func (sc scale) measurements() []measurement {
	pair, throughput := []variant{riverSame, postludeFull}, []figure{jobsPerSecond, cpuPerJob}
	all := []measurement{
		{"Insert, 1 goroutine", throughput, pair, inserting(1, sc.inserts)},
		{"Insert, 8 goroutines", throughput, pair, inserting(8, sc.inserts)},
		{workName, throughput, []variant{riverDefaults, riverSame, postludeFull}, working(sc.jobs)},
	}
	for _, rate := range sc.rates {
		all = append(all, measurement{
			fmt.Sprintf("Enqueue to start, %d/s", rate), []figure{p50, p99}, pair, lagging(rate, sc.span),
		})
	}
	return all
}

const workName = "Work"

// results are the figures by database, measurement, variant and round.
type results map[key][][]float64

type key struct{ backend, measurement, variant string }

// runner carries out rounds.
type runner struct {
	scale
	backends []backend
	only     *regexp.Regexp // the measurements to make, by "database/measurement/variant"
	progress func(format string, args ...any)
}

// run measures each in all rounds. In a round, the variants of a measurement come one
// after another, in random order: what else the machine does, meets them alike.
func (r runner) run(ctx context.Context) (out results, loads []float64, err error) {
	out = results{}
	for round := range r.rounds {
		loads = append(loads, machine.Load())
		for _, b := range r.backends {
			for _, m := range r.measurements() {
				for _, i := range rand.Perm(len(m.variants)) {
					k := key{b.name(), m.name, m.variants[i].name}
					if r.only != nil && !r.only.MatchString(k.backend+"/"+k.measurement+"/"+k.variant) {
						continue
					}
					values, err := r.once(ctx, b, m, m.variants[i])
					if err != nil {
						return nil, nil, fmt.Errorf("%s: %s: %s: %w", k.backend, k.measurement, k.variant, err)
					}
					out[k] = append(out[k], values)
					r.progress("round %d of %d: %-10s %-22s %-20s %.5g\n", round+1, r.rounds, k.backend, k.measurement, k.variant, values)
				}
			}
		}
	}
	return out, append(loads, machine.Load()), nil
}

// once makes one measurement, on a database of its own.
func (r runner) once(ctx context.Context, b backend, m measurement, v variant) (values []float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.patience, fmt.Errorf("not done within %v", r.patience))
	defer cancel()
	q, err := b.open(ctx, v)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.close()) }()
	if err := q.settle(ctx); err != nil {
		return nil, err
	}
	// What the one before left behind, in memory and on its way to the disk, is not this
	// one's to pay for.
	runtime.GC()
	_ = exec.Command("sync").Run() // where there is none, it is left out
	return m.run(ctx, q, v)
}
