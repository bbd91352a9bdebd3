package postlude

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/taskconv"
)

// observe has the meter ask for what is counted, and for how full queue and workers are.
// That goes on after Shutdown, whose own tasks are to be in the last collection; so a
// MeterProvider that lives on keeps the runtime.
func (rt *Runtime) observe() (metric.Registration, error) {
	m := rt.meters
	return rt.cfg.MeterProvider.Meter(scopeInfo.Name).RegisterCallback(func(_ context.Context, o metric.Observer) error {
		rt.observeSeries(o)
		rt.observeFill(o)
		return nil
	}, m.Active, m.Pending, m.Attempts, m.Slots, m.SlotsMax, m.Workers, m.WorkersMax, m.PendingAge)
}

// observeFill makes the state of the in-process queue metrics: what is used, and of how
// much.
func (rt *Runtime) observeFill(o metric.Observer) {
	var slots, workers int
	var oldest time.Duration
	rt.queue.read(func(q *queue) { slots, workers, oldest = q.live-q.guests, q.workers, q.oldestWaitLocked() })
	o.ObserveInt64(rt.meters.Slots, int64(slots))
	o.ObserveInt64(rt.meters.SlotsMax, int64(rt.cfg.Queue))
	o.ObserveInt64(rt.meters.Workers, int64(workers))
	o.ObserveInt64(rt.meters.WorkersMax, int64(rt.cfg.Workers))
	o.ObserveFloat64(rt.meters.PendingAge, oldest.Seconds())
}

// observeTime is how long a collection of metrics waits for the engine. The database may
// be away, and the other metrics are wanted then more than ever.
const observeTime = 2 * time.Second

// observeQueues makes the engine's queues metrics. Each process observes the same queues:
// who sums up over processes takes the maximum.
func (rt *Runtime) observeQueues() error {
	jobs, age := rt.meters.QueueJobs, rt.meters.QueueAge
	watch, err := rt.cfg.MeterProvider.Meter(scopeInfo.Name).RegisterCallback(func(ctx context.Context, o metric.Observer) error {
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
	rt.watch = watch
	return err
}

// unwatch ends that: the engine may be closed after the shutdown.
func (rt *Runtime) unwatch() error { return unregister(rt.watch) }

func unregister(r metric.Registration) (err error) {
	if r == nil {
		return nil
	}
	if p := panics.Try(func() { err = r.Unregister() }); p != nil {
		err = p
	}
	return err
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
