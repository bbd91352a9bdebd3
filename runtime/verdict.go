package postlude

import (
	"context"
	"slices"
	"time"

	"github.com/postlude/postlude/runtime/taskconv"
)

// action is what a verdict asks for.
type action uint8

const (
	pass action = iota
	handled
	retryAfter
	fallbackTo
	escalateTo
	drop
	requeue // of a durable task that is interrupted; not for handlers
)

func (a action) String() string {
	return [...]string{
		taskconv.VerdictPass, taskconv.VerdictHandled, taskconv.VerdictRetry,
		taskconv.VerdictFallback, taskconv.VerdictEscalate, taskconv.VerdictDrop,
		taskconv.VerdictRequeue,
	}[a]
}

// Verdict is a handler's answer: Pass, Handled, RetryAfter, FallbackTo, EscalateTo or
// Drop. The zero Verdict is Pass.
type Verdict struct {
	action    action
	delay     time.Duration
	job       Job
	notifiers []Notifier
	work      []func(context.Context) error
}

var (
	// Pass leaves the decision to the next handler.
	Pass = Verdict{}
	// Handled says that the failure needs nothing more. The task counts as failed.
	Handled = Verdict{action: handled}
	// Drop gives the task up: it counts as dropped.
	Drop = Verdict{action: drop}
)

// RetryAfter asks for another attempt, d after the end of this one. A task that was
// canceled, by Run.Cancel or by shutdown, is not retried. For an error that is Permanent,
// it is Pass.
func RetryAfter(d time.Duration) Verdict {
	return Verdict{action: retryAfter, delay: max(0, d)}
}

// FallbackTo runs j in the task's place, in its slot and on its worker. If j succeeds,
// so does the task.
func FallbackTo(j Job) Verdict { return Verdict{action: fallbackTo, job: j} }

// EscalateTo tells the notifiers, after the span has ended. The task counts as failed.
func EscalateTo(ns ...Notifier) Verdict { return Verdict{action: escalateTo, notifiers: ns} }

// Then adds work to a verdict, Pass included. It runs after the attempt's span ended,
// on the task's worker, in a span of its own (handle {task}), and within
// Config.WorkTimeout. Its error is logged and counted, and changes nothing else.
func (v Verdict) Then(work func(context.Context) error) Verdict {
	v.work = append(slices.Clip(v.work), work)
	return v
}
