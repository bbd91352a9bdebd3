package postlude

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/runtime/taskconv"
)

// work is what a handler added to its answer.
type work struct {
	from *entry
	do   func(context.Context) error
}

// doWork runs what handlers added, once, each in a span of its own.
func (a *attempt) doWork() {
	works := a.work
	a.work = nil
	for _, w := range works {
		err := a.inSpan(taskconv.SpanHandle, func(ctx context.Context) error {
			return a.rt.guardedWork(ctx, w.from, w.do)
		}, attribute.String(taskconv.TaskVerdictHandler, w.from.name))
		if err != nil {
			a.rt.handlerFailed(a, w.from.name, err)
		}
	}
}

// inSpan runs fn in a span that is a child of the attempt's.
func (a *attempt) inSpan(prefix string, fn func(context.Context) error, attrs ...attribute.KeyValue) error {
	ctx, span := context.WithoutCancel(a), trace.Span(nil)
	p := panics.Try(func() {
		ctx, span = a.rt.tracer.Start(ctx, prefix+a.name, trace.WithAttributes(append(attrs,
			attribute.String(taskconv.TaskName, a.name),
			attribute.String(taskconv.TaskID, a.ID()),
			attribute.Int(taskconv.TaskAttempt, a.number()))...))
	})
	if p != nil {
		a.rt.telemetryFailed(a, "starting a span", p)
		span = trace.SpanFromContext(context.Background())
	}
	err := fn(ctx)
	if err != nil {
		_, errType := classify(err, nil)
		span.SetAttributes(attribute.String(taskconv.ErrorType, errType))
		span.SetStatus(codes.Error, errs.Text(err))
	}
	if p := panics.Try(func() { span.End() }); p != nil {
		a.rt.telemetryFailed(a, "ending a span", p)
	}
	return err
}

// retry has the task wait for its next attempt. It reports false if there will be none:
// the task was canceled, or shutdown has run out of time.
func (a *attempt) retry() bool {
	t := a.task
	if a.in != nil {
		if a.stopped() {
			return false
		}
		a.retryInQueue()
		return true
	}
	if t.arm(nil) != nil || a.rt.queue.refusesRetry() {
		return false
	}
	a.logRetrying()
	a.doWork()
	a.rt.measure(func(m *meters) { m.Retries.Add(a, 1, a.gauge...) })
	t.remembered().span, t.past.message = a.span.SpanContext(), head(a.failure.Message(), maxMessage)
	due := add(int64(a.end().Sub(a.rt.queue.epoch)), a.verdict.delay)
	a.stage = concluded
	if a.rt.queue.retry(t, due) { // from here on, t may be another worker's
		return true
	}
	a.stage = acting
	return false
}

// retryInQueue hands a durable task back until its next attempt's time, which it may have
// in another process.
func (a *attempt) retryInQueue() {
	if a.isBroken() {
		a.setAside()
		return
	}
	a.logRetrying()
	a.doWork()
	a.rt.measure(func(m *meters) { m.Retries.Add(a, 1, a.gauge...) })
	a.settle(requeued)
}

// add is a time that is d later, or as late as there is.
func add(t int64, d time.Duration) int64 {
	if sum := t + int64(d); sum >= t {
		return sum
	}
	return math.MaxInt64
}

// fail ends the task with the attempt's failure, and tells ns of it. The record comes
// first: what may take its time, or the process down, must not hold it back.
func (a *attempt) fail(ns []Notifier) {
	due := a.enterEscalation(ns)
	a.logFailed(failed)
	a.doWork()
	if due {
		a.escalate(ns)
	}
	a.settle(failed)
}

// endWith ends the task when nothing more is to be done about its failure. It is canceled if
// somebody canceled it, and that is why it failed or why nothing more is done. A
// context.Canceled that came from elsewhere is a mistake like any other.
func (a *attempt) endWith(interrupted bool, ns []Notifier) {
	if !a.stopped() || !interrupted && a.failure.Kind != KindCanceled {
		a.fail(ns)
		return
	}
	a.logFailed(canceled)
	a.doWork()
	a.settle(canceled)
}

// stopped tells whether the task was canceled, and not to be run elsewhere.
func (t *task) stopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	cause := t.causeLocked()
	return cause != nil && (t.in == nil || canceledForGood(cause))
}

// giveUp ends the task by a handler's Drop.
func (a *attempt) giveUp() {
	a.rt.rememberFailure(a, StateDropped)
	a.rt.countDropped(a, a.task, taskconv.ReasonVerdict)
	// The outcome is the task's; that of the attempt is on its span.
	a.emitFailureAs(taskconv.OutcomeDropped, slog.LevelWarn, taskconv.EventDropped, "task dropped by its error handler",
		slog.String(taskconv.LogReason, taskconv.ReasonVerdict))
	a.doWork()
	a.settle(dropped)
}

// fallBack runs the verdict's job in the task's place. A canceled task has none.
func (a *attempt) fallBack() {
	if a.stopped() {
		a.endWith(true, nil)
		return
	}
	job := a.verdict.job
	name := slog.String(taskconv.TaskFallback, job.label())
	a.emitFailure(slog.LevelWarn, taskconv.EventFallback, "task failed, trying its fallback", name)
	a.doWork()
	start := time.Now()
	err := a.inSpan(taskconv.SpanFallback, a.runFallback, a.fallbackAttrs(job)...)
	if err == nil {
		a.rt.rememberFailure(a, StateRescued)
		a.emit(slog.LevelInfo, taskconv.EventSucceeded, "task rescued by its fallback",
			slog.String(taskconv.TaskOutcome, taskconv.OutcomeOK),
			slog.String(taskconv.TaskVerdict, a.verdict.action.String()), name,
			millis(taskconv.LogDurationMS, time.Since(start)),
			millis(taskconv.LogQueueDelayMS, a.queued()))
		a.settle(succeeded)
		return
	}
	if a.handedBack() {
		a.handBack()
		return
	}
	a.err = errors.Join(a.err, err)
	f := *a.failure // others may have kept the old one
	f.Err, f.message, f.History = a.err, errs.Text(a.err), a.failures()
	a.failure = &f
	a.endWith(true, a.notifiers)
}

// fallbackAttrs tell what is called in the task's place.
func (a *attempt) fallbackAttrs(job Job) []attribute.KeyValue {
	attrs := []attribute.KeyValue{attribute.String(taskconv.TaskFallback, job.label())}
	if job.def == nil {
		return append(attrs, attribute.String(taskconv.CodeFunctionName, functionName(job.fn)))
	}
	return append(attrs,
		attribute.String(taskconv.CodeFunctionName, job.def.function),
		attribute.String(taskconv.TaskArgs, a.rt.render.JSON(job.args).String()))
}

// runFallback calls the fallback job's function, under its own Timeout: its definition's,
// or that of the defaults.
func (a *attempt) runFallback(ctx context.Context) (err error) {
	start := time.Now()
	defer func() {
		if err != nil {
			past := FailedAttempt{
				Attempt: a.number(), Fallback: true, Start: start, Elapsed: time.Since(start), Err: err,
				SpanContext: trace.SpanContextFromContext(ctx),
			}
			past.Kind, past.ErrorType = classify(err, nil)
			a.remember(past)
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if cause := a.arm(cancelFunc(cancel)); cause != nil {
		return cause
	}
	job := a.verdict.job
	ps, err := a.rt.plansOf(job)
	if err != nil {
		return err
	}
	return within(ctx, ps.base.timeout, job.call)
}
