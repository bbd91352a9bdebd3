// Package contend has the contenders of the benchmarks: the same observed task as it is
// written by hand, on goroutines and on pools, and as Postlude runs it.
//
// The task sends a receipt, and does nothing. What all of them make of it is the same, and
// TestEqual holds them to it: a span, child of the request's and linked to it, one JSON
// record at the end, the metrics of what is active, of what ended, and how long it took;
// panics become errors.
package contend

import (
	"cmp"
	"context"
)

// TaskName is the name of the task.
const TaskName = "send_receipt"

// Receipt is what a task gets.
type Receipt struct {
	Order string
	Cents int
}

// Body is what a task does.
type Body func(context.Context, Receipt) error

// Config describes a contender.
type Config struct {
	Telemetry *Telemetry // nil for bare contenders
	Body      Body
	Workers   int  // tasks that run at once, where there is a bound; 0: Postlude's default
	Queue     int  // tasks that Postlude admits; 0: more than any benchmark has
	Handlers  bool // three that are asked about a failure, two of them for other errors
	Lean      bool // Postlude's tasks have LeanContext
}

// poolWorkers is the bound of pools and of the semaphore. It is what suits them best where
// tasks compute: with 1,024, Postlude's default, which it keeps, they take a third longer.
const poolWorkers = 64

func (c Config) workers() int { return cmp.Or(c.Workers, poolWorkers) }

// Contender runs tasks in one way. It is safe for concurrent use.
type Contender interface {
	// Context is that of a request from which tasks can be scheduled.
	Context(context.Context) context.Context
	// Submit schedules a task. Pools without a queue block while all workers are busy.
	Submit(context.Context, Receipt) error
	// Wait blocks until all tasks have ended, and their spans and records, too.
	Wait()
	// Close ends the contender's goroutines. There must be no more tasks.
	Close() error
}

// Kind is a way to run tasks.
type Kind struct {
	Name string
	// Observes tells that there are spans, records and metrics.
	Observes bool
	// Log is whose JSON handler writes the records.
	Log Log
	// SDKSpans tells that the provider is the SDK's, and not the one that otelsetup makes.
	SDKSpans bool
	// Blocks tells that Submit waits for a free worker: there is no queue.
	Blocks bool
	// Unbounded tells that every task has a goroutine of its own that runs at once.
	Unbounded bool
	New       func(Config) (Contender, error)
}

// ByHand is what all others are compared with.
const ByHand = "by hand, goroutine each"

// Observed are the kinds that observe the task.
var Observed = []Kind{
	{Observes: true, Name: ByHand, Unbounded: true, New: observed(goroutines)},
	{Observes: true, Name: "by hand, semaphore", New: observed(semaphore)},
	{Observes: true, Name: "by hand, on ants", Blocks: true, New: observed(antsPool)},
	{Observes: true, Name: "by hand, on pond", New: observed(pondPool)},
	{Observes: true, Name: "by hand, on conc", Blocks: true, New: observed(concPool)},
	{Observes: true, Name: "Postlude, slog.JSONHandler", New: newPostlude},
	{Observes: true, Name: "Postlude, its JSON handler", Log: OurLog, New: newPostlude},
	{Observes: true, Name: "Postlude, slog.JSONHandler, SDK's spans", SDKSpans: true, New: newPostlude},
	{Observes: true, Name: "Postlude, its JSON handler, SDK's spans", Log: OurLog, SDKSpans: true, New: newPostlude},
}

// Bare are the kinds that only run it: what scheduling alone costs.
var Bare = []Kind{
	{Name: "bare go", Unbounded: true, New: bare(goroutines)},
	{Name: "bare channel and workers", Blocks: true, New: bare(channel)},
	{Name: "bare ants", Blocks: true, New: bare(antsPool)},
	{Name: "bare pond", New: bare(pondPool)},
	{Name: "bare conc", Blocks: true, New: bare(concPool)},
}

// Find returns the kind of a name.
func Find(name string) (Kind, bool) {
	for _, all := range [][]Kind{Observed, Bare} {
		for _, k := range all {
			if k.Name == name {
				return k, true
			}
		}
	}
	return Kind{}, false
}
