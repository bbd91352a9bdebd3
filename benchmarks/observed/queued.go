package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/contend"
	"github.com/postlude/postlude/benchmarks/internal/machine"
	postlude "github.com/postlude/postlude/runtime"
)

const (
	queuedName  = "queued"
	waitingName = "waiting"
	delayedName = "delayed"
)

// The units of tasks that wait.
const (
	memoryPerTask = "bytes per task"
	submitPerTask = "scheduling, µs per task"
	drainPerTask  = "drain, µs per task"
	drainSeconds  = "drain, s"
	goroutinesNow = "goroutines"
	spansLost     = "spans lost"
)

// busyWorkers is how many workers there are when tasks are to queue up.
const busyWorkers = 64

// queued measures tasks that wait for a worker: what they hold, and how long all of them
// take once the workers are free. Who has a goroutine for each task has no queue; its
// tasks have begun, and wait.
func queued(ctx context.Context, s spec) (values, error) {
	kind, err := s.kind()
	if err != nil {
		return nil, err
	}
	s.Workers = busyWorkers
	gate, busy := make(chan struct{}), new(sync.WaitGroup)
	c, tel, err := s.start(func(_ context.Context, r contend.Receipt) error {
		if r.Cents < 0 {
			busy.Done()
		}
		if r.Cents < 0 || kind.Unbounded {
			<-gate
		}
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	from := s.requests(ctx, c, tel)
	busy.Add(busyWorkers)
	for range busyWorkers {
		if err := from.submit(-1); err != nil {
			return nil, err
		}
	}
	busy.Wait()
	before, began := machine.Memory(), time.Now()
	for i := range s.N {
		if err := from.submit(i); err != nil {
			return nil, err
		}
	}
	submitting, goroutines := time.Since(began), runtime.NumGoroutine()
	held := float64(machine.Memory()) - float64(before)
	began = time.Now()
	close(gate)
	c.Wait()
	from.end()
	err = tel.Flush(ctx)
	drain := time.Since(began)
	if !s.Drops {
		err = errors.Join(err, tel.Check(ctx, s.N+busyWorkers))
	}
	lost := s.N + busyWorkers - tel.Exported()
	if err := errors.Join(err, c.Close(), tel.Close(ctx)); err != nil {
		return nil, err
	}
	n := float64(s.N)
	out := values{
		submitPerTask: micros(submitting) / n, goroutinesNow: float64(goroutines),
		drainPerTask: micros(drain) / (n + busyWorkers), drainSeconds: drain.Seconds(),
	}
	out.memory(held, s.N)
	if s.Sampling == contend.Sampled {
		out[spansLost] = float64(lost)
	}
	return out, nil
}

// waiting measures tasks that have begun, all at once, and wait for something.
func waiting(ctx context.Context, s spec) (values, error) {
	s.Workers = s.N
	gate, begun := make(chan struct{}), new(sync.WaitGroup)
	begun.Add(s.N)
	c, tel, err := s.start(func(context.Context, contend.Receipt) error {
		begun.Done()
		<-gate
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	request, end := tel.Request(c.Context(ctx))
	before, began := machine.Memory(), time.Now()
	for i := range s.N {
		if err := c.Submit(request, receipt(i)); err != nil {
			return nil, err
		}
	}
	submitting := time.Since(began)
	begun.Wait()
	held := float64(machine.Memory()) - float64(before)
	close(gate)
	c.Wait()
	end()
	if err := errors.Join(tel.Flush(ctx), tel.Check(ctx, s.N), c.Close(), tel.Close(ctx)); err != nil {
		return nil, err
	}
	out := values{submitPerTask: micros(submitting) / float64(s.N)}
	out.memory(held, s.N)
	return out, nil
}

// delayed measures what Postlude's tasks hold that wait for a time: a lean context is
// theirs, so that what is beyond a queued task with one is the timers'.
func delayed(ctx context.Context, s spec) (values, error) {
	tel := contend.NewTelemetry(contend.TelemetryConfig{Sampling: s.Sampling})
	body := func(context.Context, contend.Receipt) error { return nil }
	p, err := contend.NewPostlude(contend.Config{Telemetry: tel, Body: body}, postlude.Config{}, postlude.Delay(time.Hour))
	if err != nil {
		return nil, err
	}
	request, end := tel.Request(p.Context(ctx))
	defer end()
	before, began := machine.Memory(), time.Now()
	for i := range s.N {
		if err := p.Submit(request, receipt(i)); err != nil {
			return nil, err
		}
	}
	submitting := time.Since(began)
	held := float64(machine.Memory()) - float64(before)
	report, err := p.Shutdown(ctx) // which drops them
	if err == nil && report.Dropped != s.N {
		err = fmt.Errorf("%d of %d tasks were dropped", report.Dropped, s.N)
	}
	out := values{submitPerTask: micros(submitting) / float64(s.N)}
	out.memory(held, s.N)
	return out, errors.Join(err, tel.Close(ctx))
}

// memory adds what n tasks hold, unless it is less than what comes and goes by itself.
func (v values) memory(held float64, n int) {
	if held >= 64<<10 {
		v[memoryPerTask] = held / float64(n)
	}
}
