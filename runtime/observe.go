package postlude

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/taskconv"
)

// observe has the meter ask how full the runtime and its engine's queues are, until
// unobserve.
func (rt *Runtime) observe() error {
	err := rt.observeFill()
	if rt.cfg.Engine != nil {
		err = errors.Join(err, rt.observeQueues())
	}
	return err
}

func (rt *Runtime) watch(ask metric.Callback, instruments ...metric.Observable) error {
	watch, err := rt.cfg.MeterProvider.Meter(scopeInfo.Name).RegisterCallback(ask, instruments...)
	if watch != nil {
		rt.watches = append(rt.watches, watch)
	}
	return err
}

func (rt *Runtime) unobserve() error {
	var errs []error
	for _, watch := range rt.watches {
		var err error
		if p := panics.Try(func() { err = watch.Unregister() }); p != nil {
			err = p
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// observeFill makes the state of the in-process queue metrics: what is used, and of how
// much.
func (rt *Runtime) observeFill() error {
	m := rt.meters
	return rt.watch(func(_ context.Context, o metric.Observer) error {
		var slots, workers int
		var oldest time.Duration
		rt.queue.read(func(q *queue) { slots, workers, oldest = q.live-q.guests, q.workers, q.oldestWaitLocked() })
		o.ObserveInt64(m.Slots, int64(slots))
		o.ObserveInt64(m.SlotsMax, int64(rt.cfg.Queue))
		o.ObserveInt64(m.Workers, int64(workers))
		o.ObserveInt64(m.WorkersMax, int64(rt.cfg.Workers))
		o.ObserveFloat64(m.PendingAge, oldest.Seconds())
		return nil
	}, m.Slots, m.SlotsMax, m.Workers, m.WorkersMax, m.PendingAge)
}

// observeTime is how long a collection of metrics waits for the engine. The database may
// be away, and the other metrics are wanted then more than ever.
const observeTime = 2 * time.Second

// observeQueues makes the engine's queues metrics. Each process observes the same queues:
// who sums up over processes takes the maximum.
func (rt *Runtime) observeQueues() error {
	jobs, age := rt.meters.QueueJobs, rt.meters.QueueAge
	return rt.watch(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, observeTime)
		defer cancel()
		var queues []durable.QueueStats
		var err error
		if p := panics.Try(func() { queues, err = rt.cfg.Engine.Queues(ctx) }); p != nil {
			err = p
		}
		if err != nil {
			return err
		}
		for _, q := range queues {
			name := attribute.String(taskconv.TaskQueue, q.Queue)
			for state, n := range statesOf(q) {
				o.ObserveInt64(jobs, int64(n), metric.WithAttributes(name, attribute.String(taskconv.QueueState, state)))
			}
			o.ObserveFloat64(age, q.Oldest.Seconds(), metric.WithAttributes(name))
		}
		return nil
	}, jobs, age)
}

func statesOf(q durable.QueueStats) map[string]int {
	return map[string]int{
		taskconv.QueueAvailable: q.Available,
		taskconv.QueueScheduled: q.Scheduled,
		taskconv.QueueRetrying:  q.Retrying,
		taskconv.QueueRunning:   q.Running,
		taskconv.QueueDead:      q.Dead,
	}
}
