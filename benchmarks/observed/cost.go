package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/contend"
	"github.com/postlude/postlude/benchmarks/internal/machine"
)

const costName = "cost"

// The units of cost.
const (
	cpuPerTask    = "CPU, µs per task"
	wallPerTask   = "wall, µs per task"
	bytesPerTask  = "B per task"
	allocsPerTask = "allocations per task"
)

// inFlight is how many tasks a submitter has that are not done: a server's requests do not
// pile up without end, either.
const inFlight = 64

// cost measures what a task costs when nothing else is to be done: from the first that is
// scheduled until the last span was exported.
func cost(ctx context.Context, s spec) (values, error) {
	return costOf(ctx, s, func(context.Context, contend.Receipt) error { return nil })
}

func costOf(ctx context.Context, s spec, body contend.Body) (values, error) {
	all, err := newLoad(s, body)
	if err != nil {
		return nil, err
	}
	warm := s.N / 4
	if err := all.run(ctx, warm); err != nil { // its workers, caches and buffers are there then
		return nil, err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began := machine.CPUTime(), time.Now()
	err = all.run(ctx, s.N)
	took, used := time.Since(began), machine.CPUTime()-cpu
	runtime.ReadMemStats(&after)
	if err := errors.Join(err, check(ctx, s, all.tel, warm+s.N), all.Close(), all.tel.Close(ctx)); err != nil {
		return nil, err
	}
	n := float64(s.N)
	return values{
		cpuPerTask:    micros(used) / n,
		wallPerTask:   micros(took) / n,
		bytesPerTask:  float64(after.TotalAlloc-before.TotalAlloc) / n,
		allocsPerTask: float64(after.Mallocs-before.Mallocs) / n,
	}, nil
}

// check is for who observes: the bare kinds leave nothing behind.
func check(ctx context.Context, s spec, tel *contend.Telemetry, n int) error {
	if kind, err := s.kind(); err != nil || !kind.Observes {
		return err
	}
	return tel.Check(ctx, n)
}

// load is a number of submitters, and what they keep busy.
type load struct {
	contend.Contender
	tel        *contend.Telemetry
	submitters int
	// slots are those of the tasks in flight. The record, the last that a contender makes
	// of a task, frees one: were it the task's function, spans and records could pile up
	// behind it, the more the slower the contender is.
	slots chan struct{}
}

func newLoad(s spec, body contend.Body) (*load, error) {
	l := &load{submitters: s.Submitters, slots: make(chan struct{}, inFlight*s.Submitters)}
	kind, err := s.kind()
	if err != nil {
		return nil, err
	}
	if !kind.Observes {
		body = func(context.Context, contend.Receipt) error { <-l.slots; return nil }
	}
	l.Contender, l.tel, err = s.start(body, l)
	return l, err
}

// Write is told of each record, and of that of Postlude's shutdown, when no slot is taken.
func (l *load) Write(record []byte) (int, error) {
	select {
	case <-l.slots:
	default:
	}
	return len(record), nil
}

// run schedules n tasks, and waits for them and their spans.
func (l *load) run(ctx context.Context, n int) error {
	faults := make([]error, l.submitters)
	var wg sync.WaitGroup
	for i := range l.submitters {
		wg.Go(func() {
			request, end := l.tel.Request(l.Context(ctx))
			defer end()
			for k := i; k < n && faults[i] == nil; k += l.submitters {
				l.slots <- struct{}{}
				faults[i] = l.Submit(request, receipt(k))
			}
		})
	}
	wg.Wait()
	l.Wait()
	return errors.Join(append(faults, l.tel.Flush(ctx))...)
}

func micros(d time.Duration) float64 { return d.Seconds() * 1e6 }
