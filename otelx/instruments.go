package otelx

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/postlude/postlude/runtime/taskconv"
)

// durationBounds are the histograms' bucket bounds, in seconds: from a cache hit to
// the five minutes after which a task belongs on a durable queue.
var durationBounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// Instruments are the metrics of the tasks. All are safe for concurrent use.
type Instruments struct {
	RunDuration   metric.Float64Histogram // s; one attempt, by outcome and error.type
	QueueDuration metric.Float64Histogram // s; from ready to run until started

	// Observed, as every task changes them: an atomic and a callback cost less.
	Active   metric.Int64ObservableUpDownCounter // attempts running now
	Pending  metric.Int64ObservableUpDownCounter // tasks admitted and not running: gated, delayed, queued, waiting for a retry
	Attempts metric.Int64ObservableCounter       // attempts that ended, by outcome and error.type

	Retries       metric.Int64Counter // attempts that will be followed by another
	Verdicts      metric.Int64Counter // failed attempts, by what was decided about them
	Dropped       metric.Int64Counter // tasks that ended for want of an attempt, by reason
	Rejected      metric.Int64Counter // tasks refused admission, by reason
	Escalations   metric.Int64Counter // failures that a notifier was told of
	Enqueued      metric.Int64Counter // durable tasks that were put into their queue
	HandlerErrors metric.Int64Counter // user code around tasks that panicked, blocked or failed: handlers, notifiers, telemetry

	// Of a runtime, observed.
	Slots      metric.Int64ObservableGauge
	SlotsMax   metric.Int64ObservableGauge
	Workers    metric.Int64ObservableGauge
	WorkersMax metric.Int64ObservableGauge
	PendingAge metric.Float64ObservableGauge // s

	// Of durable tasks, observed where an engine has queues.
	QueueJobs metric.Int64ObservableGauge
	QueueAge  metric.Float64ObservableGauge // s
}

// NewInstruments makes the instruments with m. The error joins those of all that
// could not be made; they do nothing then, but none is nil.
func NewInstruments(m metric.Meter) (*Instruments, error) {
	b := builder{meter: m}
	in := &Instruments{
		RunDuration:   b.seconds(taskconv.MetricRunDuration, "Duration of one attempt of a task."),
		QueueDuration: b.seconds(taskconv.MetricQueueDuration, "Time a task that was ready to run waited for a worker."),
		Active:        b.gauge(taskconv.MetricActive, "{attempt}", "Attempts that are running."),
		Pending:       b.gauge(taskconv.MetricPending, "{task}", "Tasks that are admitted and not running."),
		Attempts:      b.count(taskconv.MetricAttempts, "{attempt}", "Attempts that ended."),
		Retries:       b.counter(taskconv.MetricRetries, "{attempt}", "Failed attempts that are followed by another."),
		Verdicts:      b.counter(taskconv.MetricVerdicts, "{attempt}", "Failed attempts, by what was decided about them."),
		Dropped:       b.counter(taskconv.MetricDropped, "{task}", "Tasks that were given up without another attempt."),
		Rejected:      b.counter(taskconv.MetricRejected, "{task}", "Tasks that were refused when they were scheduled."),
		Escalations:   b.counter(taskconv.MetricEscalations, "{notification}", "Failures that were escalated."),
		Enqueued:      b.counter(taskconv.MetricEnqueued, "{task}", "Durable tasks that were put into their queue."),
		HandlerErrors: b.counter(taskconv.MetricHandlerErrors, "{error}", "Error handlers, notifiers, loggers and span processors that panicked, blocked or failed."),
	}
	in.Slots = b.level(taskconv.MetricSlots, "{task}", "Places of the queue that are taken.")
	in.SlotsMax = b.level(taskconv.MetricSlotsMax, "{task}", "Places that the queue has.")
	in.Workers = b.level(taskconv.MetricWorkers, "{worker}", "Goroutines that run tasks or wait for one.")
	in.WorkersMax = b.level(taskconv.MetricWorkersMax, "{worker}", "Tasks that may run at once.")
	in.PendingAge = b.age(taskconv.MetricPendingAge, "How long the first of the tasks that are ready has waited for a worker.")
	in.QueueJobs = b.level(taskconv.MetricQueueJobs, "{job}", "Durable tasks in a queue, by state. Those that are available are its depth.")
	in.QueueAge = b.age(taskconv.MetricQueueAge, "How long the first of the available durable tasks of a queue has been waiting.")
	return in, errors.Join(b.errs...)
}

// builder gathers the errors, so that the list above reads as a list.
type builder struct {
	meter metric.Meter
	errs  []error
}

func (b *builder) seconds(name, description string) metric.Float64Histogram {
	h, err := b.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(durationBounds...))
	return keep[metric.Float64Histogram](b, h, err, noop.Float64Histogram{})
}

func (b *builder) level(name, unit, description string) metric.Int64ObservableGauge {
	g, err := b.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	return keep[metric.Int64ObservableGauge](b, g, err, noop.Int64ObservableGauge{})
}

func (b *builder) age(name, description string) metric.Float64ObservableGauge {
	g, err := b.meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(description))
	return keep[metric.Float64ObservableGauge](b, g, err, noop.Float64ObservableGauge{})
}

func (b *builder) gauge(name, unit, description string) metric.Int64ObservableUpDownCounter {
	c, err := b.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	return keep[metric.Int64ObservableUpDownCounter](b, c, err, noop.Int64ObservableUpDownCounter{})
}

func (b *builder) count(name, unit, description string) metric.Int64ObservableCounter {
	c, err := b.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	return keep[metric.Int64ObservableCounter](b, c, err, noop.Int64ObservableCounter{})
}

func (b *builder) counter(name, unit, description string) metric.Int64Counter {
	c, err := b.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	return keep[metric.Int64Counter](b, c, err, noop.Int64Counter{})
}

func keep[T any](b *builder, instrument T, err error, instead T) T {
	if err != nil {
		b.errs = append(b.errs, err)
	}
	if any(instrument) == nil { // the SDK's meters return one along with an error, others need not
		return instead
	}
	return instrument
}
