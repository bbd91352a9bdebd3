package postlude

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/otelx"
	"github.com/postlude/postlude/runtime/taskconv"
)

// meters is short for the instruments.
type meters = otelx.Instruments

// measure records metrics. An exemplar filter or a meter of the user's may panic.
func (rt *Runtime) measure(record func(*meters)) {
	_ = panics.Try(func() { record(rt.meters) })
}

// text is the id and the arguments of a task as telemetry shows them.
type text struct {
	once sync.Once
	id   string
	args render.JSON // "" for a closure
}

// text returns what telemetry shows. It is made once, when something first records it.
func (t *task) text() *text {
	s := t.shown.Load()
	if s == nil {
		t.shown.CompareAndSwap(nil, new(text))
		s = t.shown.Load()
	}
	s.once.Do(func() {
		s.id = t.ID()
		if t.def != nil {
			s.args = t.rt.render.JSON(t.args)
		}
	})
	return s
}

// emit writes one record about the task: what the plan holds, ids and arguments, then
// attrs and the user's attributes. The event is the first attribute of the record, by
// which a log handler of ours knows that it need not add the ids.
func (t *task) emit(ctx context.Context, attempt int, level slog.Level, event, msg string, attrs ...slog.Attr) {
	p := panics.Try(func() {
		if !t.log.Enabled(ctx, level) {
			return
		}
		shown := t.text()
		all := make([]slog.Attr, 0, 24) // on the stack
		all = append(all, slog.String(taskconv.LogEvent, event))
		all = appendTrace(all, trace.SpanContextFromContext(ctx))
		all = append(all, slog.String(taskconv.TaskID, shown.id))
		if attempt > 0 {
			all = append(all, slog.Int(taskconv.TaskAttempt, attempt))
		}
		if shown.args != "" {
			all = append(all, slog.Any(taskconv.TaskArgs, shown.args))
		}
		all = append(all, attrs...)
		for _, kv := range t.set.attrs {
			all = append(all, slog.Any(string(kv.Key), kv.Value.AsInterface()))
		}
		r := slog.NewRecord(time.Now(), level, msg, 0)
		r.AddAttrs(all...)
		_ = t.log.Handle(ctx, r)
	})
	if p != nil { // the logger is broken: a metric is all that is left
		t.rt.measure(func(m *meters) { m.HandlerErrors.Add(ctx, 1, t.gauge...) })
	}
}

func (a *attempt) emit(level slog.Level, event, msg string, attrs ...slog.Attr) {
	a.task.emit(a, a.number, level, event, msg, attrs...)
}

func appendTrace(attrs []slog.Attr, sc trace.SpanContext) []slog.Attr {
	if !sc.IsValid() {
		return attrs
	}
	return append(attrs,
		slog.String(taskconv.LogTraceID, sc.TraceID().String()),
		slog.String(taskconv.LogSpanID, sc.SpanID().String()),
		slog.String(taskconv.LogTraceFlags, sc.TraceFlags().String()))
}

func millis(key string, d time.Duration) slog.Attr {
	return slog.Float64(key, float64(d)/float64(time.Millisecond))
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
	a.emit(slog.LevelDebug, taskconv.EventStarted, "task started", millis(taskconv.LogQueueDelayMS, a.queued))
	a.task.begin()
}

func (a *attempt) countStart() {
	a.counted = true
	a.stats.queued.observe(a.queued)
	a.rt.measure(func(m *meters) { m.QueueDuration.Record(a, a.queued.Seconds(), a.waited...) })
}

// measure records how the attempt ended.
func (a *attempt) measure() {
	a.stats.ran.observe(a.elapsed())
	if a.err == nil {
		a.ok.Add(1)
		a.rt.measure(func(m *meters) { m.RunDuration.Record(a, a.elapsed().Seconds(), a.okTime...) })
		return
	}
	failed := a.series.failures(a.failure.Kind, a.failure.ErrorType)
	failed.n.Add(1)
	a.rt.measure(func(m *meters) {
		m.RunDuration.Record(a, a.elapsed().Seconds(), failed.time...)
		m.Verdicts.Add(a, 1, a.verdicts[a.verdict.action]...)
	})
}

func (a *attempt) logSucceeded() {
	a.emit(slog.LevelInfo, taskconv.EventSucceeded, "task succeeded",
		slog.String(taskconv.TaskOutcome, taskconv.OutcomeOK),
		millis(taskconv.LogDurationMS, a.elapsed()),
		millis(taskconv.LogQueueDelayMS, a.queued))
}

func (a *attempt) logRetrying() {
	a.emit(slog.LevelWarn, taskconv.EventRetrying, "task failed, will be retried",
		append(a.failureAttrs(), millis(taskconv.LogRetryDelayMS, a.verdict.delay))...)
}

// logFailed writes the record of a task's end. A canceled task is no error: somebody
// asked for it, or a deployment did.
func (a *attempt) logFailed(f fate) {
	if f == canceled {
		a.rt.rememberFailure(a, StateCanceled)
		a.emit(slog.LevelWarn, taskconv.EventFailed, "task canceled", a.failureAttrs()...)
		return
	}
	a.rt.rememberFailure(a, StateFailed)
	a.emit(slog.LevelError, taskconv.EventFailed, "task failed", a.failureAttrs()...)
}

func (a *attempt) failureAttrs() []slog.Attr { return a.failureAttrsAs(string(a.failure.Kind)) }

func (a *attempt) failureAttrsAs(outcome string) []slog.Attr {
	f := a.failure
	attrs := []slog.Attr{
		slog.String(taskconv.TaskOutcome, outcome),
		millis(taskconv.LogDurationMS, f.Elapsed),
		millis(taskconv.LogQueueDelayMS, a.queued),
		slog.String(taskconv.ErrorType, f.ErrorType),
		slog.String(taskconv.ExceptionMessage, errs.Text(f.Err)),
	}
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
