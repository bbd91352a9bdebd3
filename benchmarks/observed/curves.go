package main

import "github.com/postlude/postlude/benchmarks/internal/contend"

// curves are the sections of what grows, up to a number of tasks.
func (sc scale) curves() []section {
	return []section{sc.queues(), sc.requests(), sc.losses(), sc.waits(), sc.retries(), sc.failing(), sc.rates()}
}

func sampled(measure, kind string) spec {
	return spec{Measure: measure, Kind: kind, Sampling: contend.Sampled}
}

func (sc scale) queues() curve {
	return curve{
		title: "Queued tasks", file: "queued", xLabel: "queued tasks", xs: powers(sc.most), set: setN, rounds: 1,
		about: `All of one request, while the workers, 64 of them, are busy; then these are let go. Memory is that of living
objects and stacks; less than 64 KiB in all can't be told from noise, and is left out. The drain ends when the last
span is exported: the batch processor makes tasks wait rather than drop one. A goroutine each is no queue: its tasks
have all begun; ants and conc have none, the caller waits.`,
		lines: []line{
			{spec: sampled(queuedName, contend.ByHand), to: 100_000},
			{spec: sampled(queuedName, semaphore), to: 100_000},
			{spec: sampled(queuedName, onPond)},
			{spec: sampled(queuedName, slogPostlude)},
			{spec: sampled(queuedName, ourPostlude)},
		},
		charts: []chart{{memoryPerTask, true}, {submitPerTask, true}, {drainPerTask, true}},
		tables: []string{drainSeconds, goroutinesNow, spansLost},
	}
}

// leanShared and friends are the lines of requests that goals are about.
var (
	leanShared = line{name: "Postlude, LeanContext, one request", spec: spec{Measure: queuedName, Kind: slogPostlude, Sampling: contend.Sampled, Lean: true}}
	leanOwn    = line{name: "Postlude, LeanContext", spec: spec{Measure: queuedName, Kind: slogPostlude, Sampling: contend.Sampled, Own: true, Lean: true}}
	waitsLong  = line{name: "Postlude, Delay, one request", spec: spec{Measure: delayedName, Kind: slogPostlude, Sampling: contend.Sampled}}
)

func (sc scale) requests() curve {
	own := func(kind string) line {
		return line{spec: spec{Measure: queuedName, Kind: kind, Sampling: contend.Sampled, Own: true}, to: 100_000}
	}
	return curve{
		title: "What a queued task keeps of its request", file: "requests", xLabel: "queued tasks", xs: sc.xs(1000), set: setN, rounds: 1,
		about: `As above, but each task is of a request of its own, which came through otelhttp and, with Postlude, its middleware, and
has ended. LeanContext keeps the span context, baggage and chosen values of it. The lines of one request show what
is Postlude's own; with Delay, tasks wait for an hour, so that what is beyond LeanContext is what a timer takes more
than a place in the queue.`,
		lines:  []line{own(onPond), own(slogPostlude), leanOwn, leanShared, waitsLong},
		charts: []chart{{memoryPerTask, false}},
	}
}

func (sc scale) losses() curve {
	lossy := func(kind string, to int) line {
		return line{spec: spec{Measure: queuedName, Kind: kind, Sampling: contend.Sampled, Drops: true}, to: to}
	}
	return curve{
		title: "Spans lost", file: "lost", xLabel: "queued tasks", xs: sc.xs(1000), set: setN, rounds: 1,
		about: `The same drain with the SDK's batch processor as it is by default: it drops what does not fit into its queue of
2,048 spans, and tells nobody. The exporter is as fast as one can be. The faster the tasks, the more it loses.`,
		lines:  []line{lossy(onPond, 100_000), lossy(slogPostlude, 100_000), lossy(ourPostlude, 0)},
		charts: []chart{{spansLost, true}},
	}
}

func (sc scale) waits() curve {
	return curve{
		title: "Waiting tasks", file: "waiting", xLabel: "tasks that wait at once", xs: powers(min(sc.most, 10_000)), set: setN, rounds: 1,
		about: `Tasks that have begun and wait for something, a slow mail server say. There are as many workers as tasks.`,
		lines: []line{
			{spec: sampled(waitingName, contend.ByHand)},
			{spec: sampled(waitingName, onAnts)},
			{spec: sampled(waitingName, onPond)},
			{spec: sampled(waitingName, slogPostlude)},
		},
		charts: []chart{{memoryPerTask, true}, {submitPerTask, true}},
	}
}

var pendingRetries = line{spec: spec{Measure: retriesName, Kind: postludes, Sampling: contend.Unsampled}}

func (sc scale) retries() curve {
	of := func(kind string, to int) line {
		return line{spec: spec{Measure: retriesName, Kind: kind, Sampling: contend.Unsampled}, to: to}
	}
	return curve{
		title: "Pending retries", file: "retries", xLabel: "tasks that wait for their retry", xs: powers(sc.most), set: setN, rounds: 1,
		about: `Each task fails at once, waits for its time, and succeeds. Spans are unsampled and records off. 100,000 are due in
a second, and what is measured is how long after that the function is called: the timers' lateness and the workers'.`,
		lines:  []line{of(sleeping, 100_000), of(afterFunc, 0), pendingRetries},
		charts: []chart{{memoryPerTask, true}, {latenessMean, true}},
		tables: []string{latenessP99},
	}
}

func (sc scale) failing() curve {
	of := func(kind string) line {
		return line{spec: spec{Measure: failuresName, Kind: kind, Sampling: contend.Sampled, Submitters: 64, N: sc.tasks}}
	}
	return curve{
		title: "Failing tasks", file: "failures", xLabel: "% of the tasks that fail", xs: []int{0, 1, 10, 50, 100}, linear: true, rounds: min(sc.rounds, 3),
		set: func(s *spec, x int) { s.Percent = x },
		about: `Three handlers are asked about each failure: two that are for other errors, and one that takes it for handled. By hand
they are a switch with errors.As. 64 submitters, sampled.`,
		lines:  []line{of(contend.ByHand), of(onPond), of(slogPostlude), of(ourPostlude)},
		charts: []chart{{unit: cpuPerTask}},
		tables: []string{allocsPerTask},
	}
}

func (sc scale) rates() curve {
	of := func(kind string) line { return line{spec: sampled(pacedName, kind)} }
	return curve{
		title: "Tasks at a steady rate", file: "rate", xLabel: "tasks/s", xs: []int{10_000, 20_000, 50_000}, linear: true, rounds: min(sc.rounds, 3),
		set: func(s *spec, x int) { s.Rate, s.N = x, int(sc.paced.Seconds()*float64(x)) },
		about: `The loop is open: tasks come when they are due, whatever became of those before, and the start counts from then.
The one who schedules shares the two cores with the tasks, and sleeps in between, so that some of the start is its
own lateness: a bare ` + "`go`" + ` shows how much.`,
		lines:  []line{of(bareGo), of(contend.ByHand), of(onPond), of(slogPostlude), of(ourPostlude)},
		charts: []chart{{submitP99, true}, {startP99, true}},
		tables: []string{submitP50, submitP999, startP50, startP999, held},
	}
}
