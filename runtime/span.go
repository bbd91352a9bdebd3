package postlude

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/runtime/taskconv"
)

// TaskName, TaskID and TaskAttempt identify the attempt to log handlers.
func (a *attempt) TaskName() string { return a.name }
func (a *attempt) TaskID() string   { return a.ID() }
func (a *attempt) TaskAttempt() int { return a.number() }

// conclusion is what came of an attempt, as its span tells it.
type conclusion struct{ outcome, errorType string }

func (c conclusion) append(kvs []attribute.KeyValue) []attribute.KeyValue {
	if c.outcome != "" {
		kvs = append(kvs, attribute.String(taskconv.TaskOutcome, c.outcome))
	}
	if c.errorType != "" {
		kvs = append(kvs, attribute.String(taskconv.ErrorType, c.errorType))
	}
	return kvs
}

// tell links the span, and sets the attributes that cost something to compute, together
// with the conclusion, at once: the SDK copies them all each time. So it is called at the
// end, or, without a conclusion, at the start, if a processor of the user's is to see them.
// Those that samplers may ask for are in the span's template.
func (a *attempt) tell(c conclusion) {
	if a.told {
		a.span.SetAttributes(c.append(nil)...)
		return
	}
	if a.isLocal() { // which leaves them on the stack
		var space [9]attribute.KeyValue
		kvs := c.append(a.details(space[:0]))
		a.told = true // not before: an argument's LogValue may have ended the goroutine
		a.local.Tell(a.origin(true), kvs)
	} else {
		kvs := c.append(a.details(make([]attribute.KeyValue, 0, 9)))
		a.told = true
		a.addLink(a.origin(false))
		a.span.SetAttributes(kvs...)
	}
	if a.past != nil {
		a.addLink(a.past.span)
	}
}

// origin is the span that the task was scheduled in, if the attempt's is to be linked to it.
func (a *attempt) origin(local bool) trace.SpanContext {
	switch {
	case a.set.relation == None:
		return trace.SpanContext{}
	case local:
		return a.local.Origin()
	}
	return trace.SpanContextFromContext(a.ctx)
}

// isLocal tells that the span is the attempt's own part.
func (a *attempt) isLocal() bool { return a.span == sdktrace.ReadWriteSpan(&a.local) }

// details appends what a span says of its attempt, but for what came of it.
func (a *attempt) details(kvs []attribute.KeyValue) []attribute.KeyValue {
	shown := a.text()
	kvs = append(
		kvs,
		attribute.String(taskconv.TaskID, shown.id),
		attribute.Int(taskconv.TaskAttempt, a.number()),
		attribute.Float64(taskconv.TaskQueueDelay, a.queued().Seconds()),
	)
	if !shown.args.IsZero() {
		kvs = append(kvs, attribute.String(taskconv.TaskArgs, shown.args.String()))
	}
	if a.set.attempts > 0 {
		kvs = append(kvs, attribute.Int(taskconv.TaskMaxAttempts, a.set.attempts))
	}
	if a.in != nil {
		kvs = append(kvs, attribute.String(taskconv.TaskQueue, a.in.queue), attribute.String(taskconv.TaskJobID, a.in.job))
	}
	if !a.exported {
		kvs = append(kvs, a.unset()...)
	}
	return kvs
}

// unset are the user's attributes that the function has not set itself.
func (a *attempt) unset() (kvs []attribute.KeyValue) {
	if len(a.set.attrs) == 0 {
		return nil
	}
	there := a.span.Attributes()
	for _, kv := range a.set.attrs {
		if !slices.ContainsFunc(there, func(own attribute.KeyValue) bool { return own.Key == kv.Key }) {
			kvs = append(kvs, kv)
		}
	}
	return kvs
}

func (a *attempt) addLink(sc trace.SpanContext) {
	if sc.IsValid() {
		a.span.AddLink(trace.Link{SpanContext: sc})
	}
}

// markFailed writes the failure on the span.
func (a *attempt) markFailed() {
	f, text := a.failure, a.failure.Message()
	a.tell(conclusion{string(f.Kind), f.ErrorType})
	a.span.SetStatus(codes.Error, text)
	if !a.rt.exceptionEvents {
		return
	}
	event := make([]attribute.KeyValue, 0, 3)
	event = append(event,
		attribute.String(taskconv.ExceptionType, exceptionType(f)),
		attribute.String(taskconv.ExceptionMessage, text))
	if f.Stack != "" {
		event = append(event, attribute.String(taskconv.ExceptionStacktrace, f.Stack))
	}
	a.span.AddEvent(taskconv.ExceptionEvent, trace.WithAttributes(event...), a.endTime())
}

// endTime is the option that says when the function returned, made once.
func (a *attempt) endTime() trace.SpanEventOption {
	if a.judgment == nil {
		return trace.WithTimestamp(a.end())
	}
	if a.ended == nil {
		a.ended = trace.WithTimestamp(a.end())
	}
	return a.ended
}

// exceptionType is the error's type in Go, which error.type is not for a timeout, say.
func exceptionType(f *Failure) string {
	if f.Kind == KindPanic || f.Kind == KindError {
		return f.ErrorType
	}
	return errs.Type(f.Err)
}

// markSucceeded runs the processors that want to see successes, too.
func (a *attempt) markSucceeded() {
	if a.exported || a.told { // somebody reads the span
		a.tell(conclusion{outcome: taskconv.OutcomeOK})
	}
	if a.set.foreign {
		a.eachForeign(func(e *entry) { e.OnEnding(a.span) })
	}
}

// markVerdict writes the verdict on the span.
func (a *attempt) markVerdict() {
	kvs := append(make([]attribute.KeyValue, 0, 3), attribute.String(taskconv.TaskVerdict, a.verdict.action.String()))
	if a.by != nil {
		kvs = append(kvs, attribute.String(taskconv.TaskVerdictHandler, a.by.name))
	}
	if a.verdict.action == retryAfter {
		kvs = append(kvs, attribute.Float64(taskconv.TaskRetryDelay, a.verdict.delay.Seconds()))
	}
	if a.overBudget {
		kvs = append(kvs, attribute.String(taskconv.TaskRetryRefused, taskconv.RefusedBudget))
	}
	a.span.SetAttributes(kvs...)
}

// finishSpan ends the span at the time when the function returned, so that the
// handlers' time is not the task's.
func (a *attempt) finishSpan() {
	if p := panics.Try(a.endSpan); p != nil {
		a.rt.telemetryFailed(a, "ending the span", p)
	}
	if a.set.foreign {
		a.eachForeign(func(e *entry) { e.OnEnd(a.readOnly()) })
	}
}

func (a *attempt) endSpan() {
	switch {
	case !a.failed() && a.isLocal():
		a.local.EndAt(a.end())
		return
	case !a.failed() && !a.set.foreign:
		a.span.End() // nothing happened since
		return
	}
	// Only a span that is exported has a provider whose processors may ask FailureOf.
	if a.failed() && a.exported {
		ending.begin(a.failure)
		defer ending.end(a.failure)
	}
	a.span.End(a.endTime())
}

// readOnly is the span as OnEnd gets it: it answers FailureOf, but nothing can be
// decided any more.
func (a *attempt) readOnly() sdktrace.ReadOnlySpan {
	if !a.failed() {
		return a.span
	}
	return &failedSpan{a.span, a.failure}
}
