package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/figures"
	"github.com/postlude/postlude/benchmarks/internal/machine"
	"github.com/postlude/postlude/benchmarks/internal/plot"
)

// report is what came of a run, as it is written.
type report struct {
	scale
	results results
	command string
	began   time.Time
	took    time.Duration
	parts   bool       // earlier runs measured some of it
	loads   [2]float64 // of the machine, before and after

	body     strings.Builder
	pictures map[string]string // SVG by name
}

// plots is the folder of the pictures, beside the report.
const plots = "plots"

func (r *report) heading(text string) { fmt.Fprintf(&r.body, "## %s\n\n", text) }

func (r *report) text(format string, args ...any) { fmt.Fprintf(&r.body, format+"\n\n", args...) }

func (r *report) table(t figures.Table) {
	if len(t.Rows) > 0 {
		r.body.WriteString(t.String() + "\n")
	}
}

// picture shows a chart, unless it is empty.
func (r *report) picture(name string, c plot.Chart) {
	for _, l := range c.Lines {
		if len(l.Points) > 0 {
			if r.pictures == nil {
				r.pictures = map[string]string{}
			}
			r.pictures[name] = c.SVG()
			fmt.Fprintf(&r.body, "![%s](%s/%s.svg)\n\n", c.Title, plots, name)
			return
		}
	}
}

// document is the whole of it.
func (r *report) document(sections []section, faults []error) string {
	r.body.Reset()
	r.body.WriteString("# Observed tasks beside their peers\n\n")
	took := "in " + r.took.Round(time.Second).String()
	if r.parts {
		took = "in several parts"
	}
	r.text("Measured on %s by `%s` %s. This file is written by that command.", r.began.UTC().Format("2006-01-02 15:04 UTC"), r.command, took)
	for _, line := range about() {
		fmt.Fprintf(&r.body, "- %s\n", line)
	}
	if times, ok := r.results.between(); ok {
		fmt.Fprintf(&r.body, "- what a core writes another one sees in %.0f ns (median; %.0f to %.0f)\n", times.Median, times.Low, times.High)
	}
	fmt.Fprintf(&r.body, "- load average %.1f before, %.1f after\n\n", r.loads[0], r.loads[1])
	if r.loads[0] > 0.5 {
		r.text("**The machine was busy with something else when the run began.** Ratios bear that better than the other figures.")
	}
	r.body.WriteString(compared)
	r.table(r.goals())
	for _, s := range sections {
		s.write(r)
	}
	if len(faults) > 0 {
		r.heading("Not measured")
		for _, err := range faults {
			fmt.Fprintf(&r.body, "- %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	return strings.TrimRight(r.body.String(), "\n") + "\n"
}

// about describes machine and versions.
func about() []string {
	v := machine.Version
	return []string{
		machine.Cores(),
		fmt.Sprintf("Go %s, Postlude at commit %s", machine.Go(), machine.Commit()),
		fmt.Sprintf("OpenTelemetry SDK %s, otelhttp %s", v("go.opentelemetry.io/otel/sdk"), v("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")),
		fmt.Sprintf("ants %s, pond %s, conc %s", v("github.com/panjf2000/ants/v2"), v("github.com/alitto/pond/v2"), v("github.com/sourcegraph/conc")),
	}
}

const compared = `## What is compared

The same task, which does nothing, observed in the same way. **By hand** is what a careful engineer writes today:
context.WithoutCancel, a span that is the request's child and linked to it, recover, one JSON record at the end by
slog.JSONHandler, the metrics of what is active, what ended and how long it took, as the documentations show it. It runs
on a goroutine of its own; on one that waits for a semaphore; on the pools ants, pond and conc. A test holds all
contenders to equal spans, records and metrics, for success, error and panic. **Postlude** has its defaults, and does
more than the others: an id, the arguments on the span, the number of the attempt, the function's name, the time in
the queue and what waits as metrics, redaction, cancellation.

Pools and the semaphore have 64 workers, which suits them best where tasks compute (they take a third longer with
1,024); Postlude has its default of 1,024 at most, unless it is said otherwise. The provider is
the one that otelsetup makes: the spans of tasks are Postlude's own there, all others, and so those by hand, the
SDK's; two rows tell what it costs to leave Postlude's to the SDK, too. Sampled spans go to the SDK's batch processor,
which blocks rather than drop one, and an exporter that discards them; unsampled ones follow their request's; no-op is
without an SDK. Records are written to nowhere. Metrics are collected once, at the end.

Each measurement has a process of its own, and checks that no task, span, record or count is missing. In a round, those
that are compared come one after another, in random order. Figures are medians of the rounds: five of costs and HTTP,
three of failing tasks and those at a rate, one of the rest.

Where the machine is virtual, its host moves its cores: between some that share a cache, and see what another one writes
in 50 ns, and some that don't, and take 250. A task that a worker takes over from another core costs up to twice as much on
those, a goroutine that runs where it was started does not. So the core to core time is measured before and after each
measurement; "near" is up to 120 ns in both of those that a ratio is of, "far" is more.

`
