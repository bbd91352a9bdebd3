package postlude

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/otelx"
	"github.com/postlude/postlude/runtime/taskconv"
)

// meters is short for the instruments.
type meters = otelx.Instruments

// measure records metrics. An exemplar filter or a meter of the user's may panic.
func (rt *Runtime) measure(record func(*meters)) {
	_ = panics.Try(func() { record(rt.meters) })
}

// admitted records that a task was scheduled.
func (rt *Runtime) admitted(ctx context.Context, t *task) {
	t.emit(ctx, 0, slog.LevelDebug, taskconv.EventScheduled, "task scheduled")
}

// rejected counts a task that was refused; the caller has the error.
func (rt *Runtime) rejected(ctx context.Context, t *task, err error) {
	reason := taskconv.ReasonQueueFull
	switch {
	case errors.Is(err, ErrShuttingDown):
		reason = taskconv.ReasonShuttingDown
	case errors.Is(err, ErrHandlerReturned):
		reason = taskconv.ReasonHandlerReturned
	case !errors.Is(err, ErrQueueFull):
		reason = taskconv.ReasonEnqueueFailed
	}
	rt.measure(func(m *meters) { m.Rejected.Add(ctx, 1, t.with(attribute.String(taskconv.Reason, reason))) })
}

// started records that an attempt began.
func (a *attempt) started() {
	a.countStart()
	a.emit(slog.LevelDebug, taskconv.EventStarted, "task started", millis(taskconv.LogQueueDelayMS, a.queued()))
}

func (a *attempt) countStart() {
	a.counted = true
	a.stats.queued.observe(a.queued())
	a.rt.measure(func(m *meters) { m.QueueDuration.Record(a, a.queued().Seconds(), a.waited...) })
}

// measure records how the attempt ended.
func (a *attempt) measure() {
	a.stats.ran.observe(a.took)
	if a.err == nil {
		a.ok.Add(1)
		a.rt.measure(func(m *meters) { m.RunDuration.Record(a, a.took.Seconds(), a.okTime...) })
		return
	}
	failed := a.series.failures(a.failure.Kind, a.failure.ErrorType)
	failed.n.Add(1)
	a.rt.measure(func(m *meters) {
		m.RunDuration.Record(a, a.took.Seconds(), failed.time...)
		m.Verdicts.Add(a, 1, a.verdicts[a.verdict.action]...)
	})
}

func (a *attempt) logSucceeded() {
	a.emitEnd(a, completion{a.end(), taskconv.OutcomeOK, a.took, a.queued()}, a.number(),
		slog.LevelInfo, taskconv.EventSucceeded, "task succeeded")
}

// logAgain makes up for a record of success that user code ended: the arguments are left out,
// as they are what most likely did, and nothing can end this but its own goroutine.
func (a *attempt) logAgain() {
	s := &text{id: a.ID()}
	s.once.Do(func() {})
	a.shown.CompareAndSwap(nil, s)
	_ = within(context.WithoutCancel(a), 0, func(context.Context) error {
		a.logSucceeded()
		return nil
	})
}

func (a *attempt) logRetrying() {
	a.emitFailure(slog.LevelWarn, taskconv.EventRetrying, "task failed, will be retried",
		millis(taskconv.LogRetryDelayMS, a.verdict.delay))
}

// logFailed writes the record of a task's end. A canceled task is no error: somebody
// asked for it, or a deployment did.
func (a *attempt) logFailed(f fate) {
	if f == canceled {
		a.rt.rememberFailure(a, StateCanceled)
		a.emitFailure(slog.LevelWarn, taskconv.EventFailed, "task canceled")
		return
	}
	a.rt.rememberFailure(a, StateFailed)
	a.emitFailure(slog.LevelError, taskconv.EventFailed, "task failed")
}

// emitFailure writes a record of the failure, and of more.
func (a *attempt) emitFailure(level slog.Level, event, msg string, more ...slog.Attr) {
	a.emitFailureAs(string(a.failure.Kind), level, event, msg, more...)
}

func (a *attempt) emitFailureAs(outcome string, level slog.Level, event, msg string, more ...slog.Attr) {
	var space [12]slog.Attr // on the stack
	a.emitEnd(a, completion{outcome: outcome, took: a.failure.Elapsed, queued: a.queued()}, a.number(),
		level, event, msg, append(a.appendFailure(space[:0]), more...)...)
}

func (a *attempt) appendFailure(attrs []slog.Attr) []slog.Attr {
	f := a.failure
	attrs = append(attrs,
		slog.String(taskconv.ErrorType, f.ErrorType),
		slog.String(taskconv.ExceptionMessage, f.Message()),
	)
	if f.Stack != "" {
		attrs = append(attrs, slog.String(taskconv.ExceptionStacktrace, f.Stack))
	}
	attrs = append(attrs, slog.String(taskconv.TaskVerdict, a.verdict.action.String()))
	if a.by != nil {
		attrs = append(attrs, slog.String(taskconv.TaskVerdictHandler, a.by.name))
	}
	if a.overBudget {
		attrs = append(attrs, slog.String(taskconv.TaskRetryRefused, taskconv.RefusedBudget))
	}
	if a.escalation != "" {
		attrs = append(attrs, slog.String(taskconv.TaskEscalation, a.escalation))
	}
	return attrs
}

// countDropped counts a task that ended for want of an attempt.
func (rt *Runtime) countDropped(ctx context.Context, t *task, reason string) {
	rt.measure(func(m *meters) { m.Dropped.Add(ctx, 1, t.with(attribute.String(taskconv.Reason, reason))) })
}

// handlerFailed reports an error handler that panicked, blocked or failed.
func (rt *Runtime) handlerFailed(a *attempt, handler string, err error) {
	rt.measure(func(m *meters) { m.HandlerErrors.Add(a, 1, a.gauge...) })
	_, errType := classify(err, nil)
	attrs := []slog.Attr{
		slog.String(taskconv.LogHandler, handler),
		slog.String(taskconv.ErrorType, errType),
		slog.String(taskconv.ExceptionMessage, errs.Text(err)),
	}
	if stack := stackOf(err); stack != "" {
		attrs = append(attrs, slog.String(taskconv.ExceptionStacktrace, stack))
	}
	a.emit(slog.LevelError, taskconv.EventHandlerFailed, "error handler failed", attrs...)
}

// telemetryFailed reports a panic of the application's own telemetry.
func (rt *Runtime) telemetryFailed(a *attempt, doing string, p *PanicError) {
	rt.handlerFailed(a, "telemetry", fmt.Errorf("%s: %w", doing, p))
}

// event writes a record that belongs to no task. There are few, so that a goroutine each
// is no matter: a log handler may end it.
func (rt *Runtime) event(ctx context.Context, level slog.Level, event, msg string, attrs ...slog.Attr) {
	_ = within(ctx, 0, func(ctx context.Context) error {
		if !rt.log.Enabled(ctx, level) {
			return nil
		}
		r := slog.NewRecord(time.Now(), level, msg, 0)
		r.AddAttrs(slog.String(taskconv.LogEvent, event))
		r.AddAttrs(attrs...)
		return rt.log.Handle(ctx, r)
	})
}

// warn tells of a misuse that costs something but breaks nothing.
func (rt *Runtime) warn(format string, args ...any) {
	rt.event(context.Background(), slog.LevelWarn, taskconv.EventWarning, fmt.Sprintf("postlude: "+format, args...))
}
