package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/figures"
)

// document is the report as a file.
func (r report) document() string {
	var b strings.Builder
	b.WriteString("# Durable tasks beside raw River\n\n")
	fmt.Fprintf(&b, "Measured on %s by `%s` in %s. This file is written by that command.\n\n",
		r.began.UTC().Format("2006-01-02 15:04 UTC"), r.command, r.took.Round(time.Second))
	for _, line := range r.about {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprintf(&b, "- load average %.1f before, %.1f at the start of each round and at the end\n", r.before, r.loads)
	b.WriteString(intro)
	fmt.Fprintf(&b, "\n## Figures\n\nMedians of %d rounds. The ratio is Postlude's figure to that of River with the same settings in the\nsame round: the median, the lowest and the highest.\n\n", r.rounds)
	b.WriteString(r.tables())
	b.WriteString("## Reading\n\n")
	for _, line := range r.reading() {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	b.WriteString("\n## All rounds\n\n" + r.everyRound())
	return b.String()
}

const intro = `
## What is compared

- **River, its defaults**: River with no settings but 100 workers, as in its documentation.
- **River, same settings**: raw River as riverdurable configures it: 200 workers, a cooldown of 5 ms between
  fetches, a look at the queue every 500 ms, a client of its own for inserts, and the same settings and
  connections of the database.
- **Postlude**: durable tasks with Postlude's defaults, observed as in production: each enqueueing and each
  attempt is a span (all are sampled, and exported in batches to an exporter that discards them), each attempt
  has a JSON record (written to nowhere) and the metrics.

What riverdurable does in another way than River on the same settings is a part of what is measured: with SQLite,
its connection keeps the statements that it has prepared, and workers are told of what their own process enqueues, where
River looks for notifications every 50 ms; with PostgreSQL, an Enqueue is one statement, which commits itself, and River's
Insert is four (BEGIN, INSERT, at times NOTIFY, COMMIT); River does not see the arguments and the metadata of the jobs that
it works; jobs are fetched by a statement that reads only what an attempt needs; and successes are stored by an UPDATE
that names the holder and the attempt, where River's own does not, and reads the rows back.

And in what:

- **Insert**: jobs enqueued one by one, each in its own transaction, by goroutines that do nothing else.
- **Work**: jobs that do nothing, all of them in the queue before the session starts; from its start until it
  has stopped, with all outcomes stored. River with its defaults has a fifth of the jobs: however many there are,
  it fetches 1,000 a second.
- **Enqueue to start**: how long after the time at which a job was to be enqueued its function is called, at a
  steady rate. The loop is open: a job that is enqueued late counts from when it should have been.

The CPU is that of the measuring process: with SQLite, the database is a part of it; with PostgreSQL, the server
comes on top of it.

Each measurement has a new database. Within a round, the variants come one after another, in random order. All
jobs have the same arguments, and after each measurement it is checked that every job was stored and ran once,
and that none of Postlude's spans was dropped.
`

// reading says what the figures mean. It is made of them: a new run has a new reading.
func (r report) reading() []string {
	var lines []string
	if r.before > 0.5 {
		lines = append(lines, fmt.Sprintf("**The machine was busy with something else** when the run began (its load was %.1f). That is in all figures.", r.before))
	}
	for _, backend := range r.backends {
		all := r.comparisons(backend)
		if s := throughput(all); s != "" {
			lines = append(lines, fmt.Sprintf("%s: of raw River's jobs/s, Postlude has %s.", backend, s))
		}
		if s := latency(all); s != "" {
			lines = append(lines, fmt.Sprintf("%s: its p99 from enqueueing to start is %s that of raw River.", backend, s))
		}
		if s := cost(all); s != "" {
			lines = append(lines, fmt.Sprintf("%s: the CPU that a job costs with Postlude is that with raw River, and %s.", backend, s))
		}
		for _, c := range all {
			lines = append(lines, c.remarks()...)
		}
	}
	return append(lines, caveats...)
}

func throughput(all []comparison) string {
	var parts []string
	for _, c := range all {
		if c.atLeast > 0 && c.rounds > 0 {
			parts = append(parts, fmt.Sprintf("%.2f (%s)", c.ratio.Median, lower(c.measurement)))
		}
	}
	return strings.Join(parts, ", ")
}

func latency(all []comparison) string {
	var parts []string
	for _, c := range all {
		if c.atMost > 0 && c.rounds > 0 {
			_, rate, _ := strings.Cut(c.measurement, ", ")
			parts = append(parts, fmt.Sprintf("%.2f times (%s)", c.ratio.Median, rate))
		}
	}
	return strings.Join(parts, " and ")
}

// cost is what Postlude computes beyond raw River.
func cost(all []comparison) string {
	var parts []string
	for _, c := range all {
		if c.unit == cpuPerJob.unit && c.rounds > 0 {
			parts = append(parts, fmt.Sprintf("%+.0f µs (%s)", c.postlude.Median-c.same.Median, lower(c.measurement)))
		}
	}
	return strings.Join(parts, ", ")
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// riverBound is what River's defaults allow: 100 workers, each 100 ms.
const riverBound = 999

// remarks are what is to be said of a single figure.
func (c comparison) remarks() []string {
	var lines []string
	if c.rounds > 0 && !c.met() {
		lines = append(lines, fmt.Sprintf("**Target missed**: %s, %s, %s: the ratio is %.2f (%s).",
			c.backend, c.measurement, c.unit, c.ratio.Median, strings.TrimSuffix(c.target(), ": MISSED")))
	}
	if (c.atLeast > 0 || c.atMost > 0) && c.rounds > 0 && (c.ratio.High-c.ratio.Low) > c.ratio.Median/2 {
		lines = append(lines, fmt.Sprintf("%s, %s, %s: the ratios of the rounds are far apart (%.2f to %.2f), so that the median says little.",
			c.backend, c.measurement, c.unit, c.ratio.Low, c.ratio.High))
	}
	if c.measurement == workName && c.unit == jobsPerSecond.unit && c.defaults.Median > 0 && c.postlude.Median > 0 {
		verdict := "far above that"
		switch {
		case c.postlude.Median >= 2*riverBound:
		case c.same.Median > 0 && c.same.Median < 2*riverBound:
			verdict = "**not far above that**, as raw River on the same settings is not either"
		default:
			verdict = "**not far above that**"
		}
		lines = append(lines, fmt.Sprintf("%s: with the defaults of both, Postlude works %s jobs/s and River %s. The latter's 100 workers and cooldown of 100 ms allow it %d; Postlude is %s.",
			c.backend, figures.Number(c.postlude.Median), figures.Number(c.defaults.Median), riverBound, verdict))
	}
	if c.unit == p50.unit && c.same.Median > 1000 {
		lines = append(lines, fmt.Sprintf("%s, %s: the rate is above what the machine can do, and the times are those of a queue that grows.", c.backend, c.measurement))
	}
	return lines
}

var caveats = []string{
	"Client and database share the cores, so that what Postlude computes is taken from the database, too.",
	"With SQLite, River looks for notifications every 50 ms: that is most of its time from enqueueing to start. For Postlude, too, it would be if the jobs were enqueued in transactions of the caller's, whose commit nobody tells.",
	"PostgreSQL, Work: a profile tells where Postlude's time goes, beyond raw River's. Half is the span, the record and the metrics of each attempt; a third the envelope, the context and the hand-over from River's goroutine to a worker of the runtime; the rest the garbage collector. What River's goroutines and the database have less to do makes up for a part of it.",
	"The jobs do nothing. What Postlude adds to each is a constant, and the longer the jobs are, the less it counts.",
}
