package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/contend"
)

// TestFaults shows that a contender which does less than the others is found out: its
// spans, records and counts are compared with the number of tasks.
func TestFaults(t *testing.T) {
	for _, kind := range contend.Observed {
		s := spec{Measure: costName, Kind: kind.Name, Sampling: contend.Sampled, Submitters: 1}
		l, err := newLoad(s, func(context.Context, contend.Receipt) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		if err := errors.Join(l.run(ctx, 10), check(ctx, s, l.tel, 10)); err != nil {
			t.Errorf("%s: %v", kind.Name, err)
		}
		if err := check(ctx, s, l.tel, 11); err == nil || !strings.Contains(err.Error(), "11 tasks have 10 spans (want 11), 10 records (want 11) and are 10 in the metrics") {
			t.Errorf("%s: a task that is missing gives %v", kind.Name, err)
		}
		if err := errors.Join(l.Close(), l.tel.Close(ctx)); err != nil {
			t.Errorf("%s: %v", kind.Name, err)
		}
	}
}

// fake measures nothing: hand takes 10 µs in round 1 and 20 in round 2, all others half of
// that in round 1 and a quarter in round 2.
func fake(faulty string) func(context.Context, spec, string) (values, error) {
	seen := map[spec]float64{}
	return func(_ context.Context, s spec, _ string) (values, error) {
		seen[s]++
		if s.Kind == faulty && seen[s] == 1 {
			return nil, errors.New("out of memory")
		}
		if s.Kind == contend.ByHand {
			return values{cpuPerTask: 10 * seen[s]}, nil
		}
		return values{cpuPerTask: 5}, nil
	}
}

// TestPairs has ratios paired by round, also where a measurement failed.
func TestPairs(t *testing.T) {
	c := costs{tasks: 1, rounds: 2}
	for _, tc := range []struct {
		faulty string
		want   [2]float64 // lowest and highest ratio
		faults int
	}{
		{"", [2]float64{0.25, 0.5}, 0},
		{slogPostlude, [2]float64{0.25, 0.25}, 6},
		{contend.ByHand, [2]float64{0.25, 0.25}, 6},
	} {
		r := runner{progress: func(string, ...any) {}, measure: fake(tc.faulty)}
		got := results{}
		faults := r.run(context.Background(), []section{c}, got)
		if len(faults) != tc.faults {
			t.Errorf("with %q failing: %d faults, want %d", tc.faulty, len(faults), tc.faults)
		}
		ratio, ok := got.ratio(c.spec(slogPostlude, contend.Sampled, 1), c.spec(contend.ByHand, contend.Sampled, 1), cpuPerTask, anyCores)
		if !ok || ratio.Low != tc.want[0] || ratio.High != tc.want[1] {
			t.Errorf("with %q failing: the ratios are %+v, want %v", tc.faulty, ratio, tc.want)
		}
	}
}

// TestOrder: all of a round comes before the next, and what is compared comes together.
func TestOrder(t *testing.T) {
	last := 0
	sections := full.sections()
	for _, p := range (runner{}).plan(sections) {
		if p.round < last {
			t.Fatalf("%s of round %d comes after round %d", p.spec, p.round, last)
		}
		last = p.round
	}
	if last != full.rounds {
		t.Errorf("there are %d rounds, want %d", last, full.rounds)
	}
}

// allCosts is how many measurements of the costs a round has.
func allCosts() (n int) {
	for _, g := range (costs{1, 1}).groups() {
		n += len(g.specs)
	}
	return n
}

// TestLimit: when the time is up, what was not measured is told.
func TestLimit(t *testing.T) {
	r := runner{limit: time.Nanosecond, progress: func(string, ...any) {}, measure: fake("")}
	got := results{}
	faults := r.run(context.Background(), []section{costs{1, 1}}, got)
	if len(got) != 0 || len(faults) != 1 || !strings.Contains(faults[0].Error(), fmt.Sprintf("%[1]d of %[1]d measurements were not made", allCosts())) {
		t.Errorf("got %d results, and %v", len(got), faults)
	}
}

// TestGoals compares with the right side of the bound.
func TestGoals(t *testing.T) {
	c, w := costs{full.tasks, full.rounds}, web{full.httpRequests, full.rounds}
	r := &report{scale: full, results: results{
		c.spec(contend.ByHand, contend.Sampled, 1):    {{cpuPerTask: 10}},
		c.spec(slogPostlude, contend.Sampled, 1):      {{cpuPerTask: 5, allocsPerTask: 9}},
		c.spec(ourPostlude, contend.Sampled, 1):       {{cpuPerTask: 3, allocsPerTask: 9}},
		w.spec(noTask):                                {{requestsPerSecond: 100}},
		w.spec(ourPostlude):                           {{requestsPerSecond: 77}},
		full.queues().at(full.queues().lines[4], 1e6): {{memoryPerTask: 1 << 20 / 1e6 * 200, spansLost: 0}},
	}}
	table := r.goals()
	text := table.String()
	for goal, want := range map[string]string{
		"sampled, slog.JSONHandler, submitters: 1": "0.50 | **missed**",
		"sampled, our JSON handler, submitters: 1": "0.30 | met",
		"allocations, sampled":                     "9 | met",
		"requests/s with a task":                   "0.77 | **missed**",
		"1,000,000 queued, one request":            "200 | met",
		"spans lost":                               "0 | met",
	} {
		found := false
		for line := range strings.SplitSeq(text, "\n") {
			line = strings.Join(strings.Fields(line), " ")
			found = found || strings.Contains(line, goal) && strings.Contains(line, "| "+want+" |")
		}
		if !found {
			t.Errorf("%q is not %q in\n%s", goal, want, text)
		}
	}
	if strings.Contains(text, "goroutines") {
		t.Errorf("what was not measured is there:\n%s", text)
	}
}

// TestMissing: a figure that nobody has is no point of a chart.
func TestMissing(t *testing.T) {
	c := tiny.queues()
	s := c.at(c.lines[0], 10)
	got := results{s: {nil, {memoryPerTask: math.Inf(1)}, {memoryPerTask: 7}}}
	drawn := c.draw(got, c.charts[0])
	if p := drawn.Lines[0].Points; len(p) != 1 || p[0].Y != 7 || len(drawn.Lines[1].Points) != 0 {
		t.Errorf("the chart has %+v", drawn.Lines)
	}
}

// TestResume: a run goes on where the last one ended, with what that measured.
func TestResume(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "kept.json"), costs{tasks: 1, rounds: 2}
	r := runner{rounds: 1, progress: func(string, ...any) {}, measure: fake("")}
	for round := range 3 {
		got, err := resumed(path)
		if err != nil {
			t.Fatal(err)
		}
		measured := 0
		r.measure = func(context.Context, spec, string) (values, error) {
			measured++
			return values{cpuPerTask: float64(round)}, nil
		}
		if err := errors.Join(append(r.run(context.Background(), []section{c}, got), got.keep(path))...); err != nil {
			t.Fatal(err)
		}
		if want := []int{allCosts(), allCosts(), 0}[round]; measured != want {
			t.Errorf("run %d: %d measurements, want %d", round, measured, want)
		}
		r.rounds = 2
	}
	got, err := resumed(path)
	if spread, ok := got.spread(c.spec(slogPostlude, contend.NoOp, 64), cpuPerTask); err != nil || !ok || spread.Low != 0 || spread.High != 1 {
		t.Errorf("what was kept is %+v (%v)", spread, err)
	}
}
