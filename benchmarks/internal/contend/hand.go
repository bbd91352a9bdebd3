package contend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/runtime/taskconv"
)

// Hand is the task as a careful engineer writes it today. It is what the documentations of
// OpenTelemetry and slog show, line by line, and all contenders but Postlude share it.
//
// It has less to do than Postlude: it makes no id, counts no attempts, renders no arguments
// on the span, measures neither the time in the queue nor what waits, and can't be canceled.
type Hand struct {
	spawner
	body     Body
	handlers bool
	tracer   trace.Tracer
	log      *slog.Logger
	active   metric.Int64UpDownCounter
	ended    metric.Int64Counter
	duration metric.Float64Histogram
	all      sync.WaitGroup
}

func observed(at func(workers int) (spawner, error)) func(Config) (Contender, error) {
	return func(c Config) (Contender, error) {
		s, err := at(c.workers())
		if err != nil {
			return nil, err
		}
		return newHand(c, s)
	}
}

// NewHand has a goroutine for each task.
func NewHand(c Config) (*Hand, error) { return newHand(c, each{}) }

func newHand(c Config, s spawner) (*Hand, error) {
	meter := c.Telemetry.Meters.Meter(scope)
	active, err1 := meter.Int64UpDownCounter(taskconv.MetricActive)
	ended, err2 := meter.Int64Counter(taskconv.MetricAttempts)
	duration, err3 := meter.Float64Histogram(taskconv.MetricRunDuration, metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300))
	return &Hand{
		spawner: s, body: c.Body, handlers: c.Handlers,
		tracer: c.Telemetry.Tracers.Tracer(scope), log: c.Telemetry.Logger,
		active: active, ended: ended, duration: duration,
	}, errors.Join(err1, err2, err3)
}

// Context adds nothing.
func (h *Hand) Context(ctx context.Context) context.Context { return ctx }

// Submit schedules a task that is not canceled with its request.
func (h *Hand) Submit(ctx context.Context, r Receipt) error {
	ctx = context.WithoutCancel(ctx)
	scheduled := time.Now()
	h.all.Add(1)
	return h.spawn(func() {
		defer h.all.Done()
		_ = h.Attempt(ctx, scheduled, r) // it has been recorded
	})
}

// Wait waits for all tasks.
func (h *Hand) Wait() { h.all.Wait() }

// Close ends the pool.
func (h *Hand) Close() error { h.close(); return nil }

// Attempt runs the task now, with all its telemetry.
func (h *Hand) Attempt(ctx context.Context, scheduled time.Time, r Receipt) error {
	start := time.Now()
	delay := start.Sub(scheduled)
	ctx, span := h.tracer.Start(ctx, taskconv.SpanRun+TaskName,
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(trace.LinkFromContext(ctx)),
		trace.WithAttributes(
			attribute.String(taskconv.TaskName, TaskName),
			attribute.String(taskconv.TaskTiming, taskconv.TimingImmediate),
			attribute.Bool(taskconv.TaskShield, false),
			attribute.Float64(taskconv.TaskQueueDelay, delay.Seconds()),
		))
	running := metric.WithAttributes(
		attribute.String(taskconv.TaskName, TaskName),
		attribute.String(taskconv.TaskTiming, taskconv.TimingImmediate))
	h.active.Add(ctx, 1, running)
	err := h.call(ctx, r)
	elapsed := time.Since(start)
	h.active.Add(ctx, -1, running)
	if err != nil {
		h.failed(ctx, span, r, err, elapsed, delay)
	} else {
		h.succeeded(ctx, span, r, elapsed, delay)
	}
	return err
}

// panicked is a panic as an error.
type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func (h *Hand) call(ctx context.Context, r Receipt) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, string(debug.Stack())}
		}
	}()
	return h.body(ctx, r)
}

func (h *Hand) succeeded(ctx context.Context, span trace.Span, r Receipt, elapsed, delay time.Duration) {
	span.SetAttributes(attribute.String(taskconv.TaskOutcome, taskconv.OutcomeOK))
	span.End()
	h.measure(ctx, elapsed,
		attribute.String(taskconv.TaskName, TaskName),
		attribute.String(taskconv.TaskTiming, taskconv.TimingImmediate),
		attribute.String(taskconv.TaskOutcome, taskconv.OutcomeOK))
	h.record(ctx, slog.LevelInfo, "task succeeded", taskconv.EventSucceeded, r, taskconv.OutcomeOK, elapsed, delay)
}

func (h *Hand) failed(ctx context.Context, span trace.Span, r Receipt, err error, elapsed, delay time.Duration) {
	outcome, errType := taskconv.OutcomeError, semconv.ErrorType(err).Value.AsString()
	more := make([]slog.Attr, 0, 4)
	exception := []attribute.KeyValue{
		attribute.String(taskconv.ExceptionType, errType),
		attribute.String(taskconv.ExceptionMessage, err.Error()),
	}
	var p *panicked
	if errors.As(err, &p) {
		outcome, errType = taskconv.OutcomePanic, taskconv.OutcomePanic
		exception[0] = attribute.String(taskconv.ExceptionType, errType)
		exception = append(exception, attribute.String(taskconv.ExceptionStacktrace, p.stack))
		more = append(more, slog.String(taskconv.ExceptionStacktrace, p.stack))
	}
	span.SetAttributes(
		attribute.String(taskconv.TaskOutcome, outcome),
		attribute.String(taskconv.ErrorType, errType))
	if h.handlers {
		verdict := decide(err)
		span.SetAttributes(attribute.String(taskconv.TaskVerdict, verdict))
		more = append(more, slog.String(taskconv.TaskVerdict, verdict))
	}
	span.SetStatus(codes.Error, err.Error())
	span.AddEvent(taskconv.ExceptionEvent, trace.WithAttributes(exception...))
	span.End()
	h.measure(ctx, elapsed,
		attribute.String(taskconv.TaskName, TaskName),
		attribute.String(taskconv.TaskTiming, taskconv.TimingImmediate),
		attribute.String(taskconv.TaskOutcome, outcome),
		attribute.String(taskconv.ErrorType, errType))
	h.record(ctx, slog.LevelError, "task failed", taskconv.EventFailed, r, outcome, elapsed, delay, append(more,
		slog.String(taskconv.ErrorType, errType),
		slog.String(taskconv.ExceptionMessage, err.Error()))...)
}

// decide does what three handlers do: two that are for other errors, and one for the rest.
func decide(err error) string {
	var netErr *net.OpError
	var numErr *strconv.NumError
	switch {
	case errors.As(err, &netErr), errors.As(err, &numErr):
		return taskconv.VerdictPass
	default:
		return taskconv.VerdictHandled
	}
}

func (h *Hand) measure(ctx context.Context, elapsed time.Duration, attrs ...attribute.KeyValue) {
	labels := metric.WithAttributes(attrs...)
	h.ended.Add(ctx, 1, labels)
	h.duration.Record(ctx, elapsed.Seconds(), labels)
}

func (h *Hand) record(
	ctx context.Context, level slog.Level, msg, event string, r Receipt,
	outcome string, elapsed, delay time.Duration, more ...slog.Attr,
) {
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs, slog.String(taskconv.LogEvent, event))
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		attrs = append(attrs,
			slog.String(taskconv.LogTraceID, sc.TraceID().String()),
			slog.String(taskconv.LogSpanID, sc.SpanID().String()),
			slog.String(taskconv.LogTraceFlags, sc.TraceFlags().String()))
	}
	attrs = append(attrs,
		slog.String(taskconv.TaskName, TaskName),
		slog.String(taskconv.TaskTiming, taskconv.TimingImmediate),
		slog.Bool(taskconv.TaskShield, false),
		slog.Group(taskconv.TaskArgs, slog.String("Order", r.Order), slog.Int("Cents", r.Cents)),
		slog.String(taskconv.TaskOutcome, outcome),
		slog.Float64(taskconv.LogDurationMS, float64(elapsed)/float64(time.Millisecond)),
		slog.Float64(taskconv.LogQueueDelayMS, float64(delay)/float64(time.Millisecond)))
	h.log.LogAttrs(ctx, level, msg, append(attrs, more...)...)
}
