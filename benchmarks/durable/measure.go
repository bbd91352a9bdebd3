package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/figures"
	"github.com/postlude/postlude/benchmarks/internal/machine"
)

// warmUp is how many jobs go through a session before its measurement of n: they open its
// connections, and have the statements prepared.
func warmUp(n int) int { return min(n, 50) }

// meter measures what all jobs together take.
type meter struct {
	began time.Time
	cpu   time.Duration
}

func begin() meter { return meter{time.Now(), machine.CPUTime()} }

// per returns jobs/s, and microseconds of CPU per job.
func (m meter) per(jobs int) []float64 {
	n := float64(jobs)
	return []float64{n / time.Since(m.began).Seconds(), (machine.CPUTime() - m.cpu).Seconds() * 1e6 / n}
}

// inserting measures n jobs that goroutines enqueue one by one.
func inserting(goroutines, n int) func(context.Context, queue, variant) ([]float64, error) {
	return func(ctx context.Context, q queue, _ variant) ([]float64, error) {
		s, err := q.start(ctx, nil)
		if err != nil {
			return nil, err
		}
		if err := enqueueAll(ctx, s, goroutines, 0, warmUp(n)); err != nil {
			return nil, errors.Join(err, finish(ctx, s))
		}
		m := begin()
		err = enqueueAll(ctx, s, goroutines, 0, n)
		values := m.per(n)
		if err := errors.Join(err, finish(ctx, s)); err != nil {
			return nil, err
		}
		if there, err := q.jobs(ctx, "available"); err != nil || there != warmUp(n)+n {
			return nil, errors.Join(err, fmt.Errorf("%d jobs are in the queue, of %d", there, warmUp(n)+n))
		}
		return values, nil
	}
}

// finish stops a session also when ctx has ended: it must not outlive its database.
func finish(ctx context.Context, s session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return s.stop(ctx)
}

// enqueueAll enqueues n jobs from several goroutines, the orders from first on.
func enqueueAll(ctx context.Context, s session, goroutines, first, n int) error {
	faults := make([]error, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := g; i < n && faults[g] == nil; i += goroutines {
				faults[g] = s.enqueue(ctx, newOrder(first+i))
			}
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

// working measures n jobs that are in the queue when the session starts, until
// it has stopped, and so has stored what came of them.
func working(n int) func(context.Context, queue, variant) ([]float64, error) {
	return func(ctx context.Context, q queue, v variant) ([]float64, error) {
		n := n
		if v.defaults { // a thousand jobs a second, however many there are
			n /= 5
		}
		if err := prefill(ctx, q, n); err != nil {
			return nil, err
		}
		t, m := newTally(n), begin()
		s, err := q.start(ctx, func(o order) { t.started(o.N) })
		if err != nil {
			return nil, err
		}
		err = t.await(ctx)
		err = errors.Join(err, finish(ctx, s))
		values := m.per(n)
		if err := errors.Join(err, t.check(ctx, q, n)); err != nil {
			return nil, err
		}
		return values, nil
	}
}

func prefill(ctx context.Context, q queue, n int) error {
	s, err := q.start(ctx, nil)
	if err != nil {
		return err
	}
	return errors.Join(s.fill(ctx, n), finish(ctx, s), q.settle(ctx))
}

// lagging measures how long after the time at which a job was to be enqueued it starts:
// p50 and p99 in milliseconds. The loop is open: it keeps to its times, however long
// enqueueing takes.
func lagging(rate int, span time.Duration) func(context.Context, queue, variant) ([]float64, error) {
	return func(ctx context.Context, q queue, _ variant) ([]float64, error) {
		n := int(span.Seconds() * float64(rate))
		warm, t := newTally(warmUp(n)), newTally(n)
		s, err := q.start(ctx, func(o order) {
			if o.N < n {
				t.started(o.N)
			} else {
				warm.started(o.N - n)
			}
		})
		if err != nil {
			return nil, err
		}
		// From as many goroutines as there are connections: the loop would else have the pool
		// open most of them at once, and that would be its p99.
		err = enqueueAll(ctx, s, postgresConns, n, warmUp(n))
		if err = errors.Join(err, warm.await(ctx)); err == nil {
			err = errors.Join(openLoop(ctx, s, t, rate), t.await(ctx))
		}
		if err = errors.Join(err, finish(ctx, s)); err == nil {
			err = t.check(ctx, q, warmUp(n)+n)
		}
		if err != nil {
			return nil, err
		}
		lags := t.lags(rate)
		return []float64{millis(figures.Percentile(lags, 50)), millis(figures.Percentile(lags, 99))}, nil
	}
}

// openLoop enqueues the jobs of t at the rate.
func openLoop(ctx context.Context, s session, t *tally, rate int) error {
	faults := make([]error, len(t.starts))
	var wg sync.WaitGroup
	t.opened = time.Since(t.began)
	for i := range faults {
		time.Sleep(t.opened + due(i, rate) - time.Since(t.began))
		wg.Go(func() { faults[i] = s.enqueue(ctx, newOrder(i)) })
	}
	wg.Wait()
	return errors.Join(faults...)
}

func due(i, rate int) time.Duration { return time.Duration(i) * time.Second / time.Duration(rate) }

// lags returns the delays of the starts, sorted.
func (t *tally) lags(rate int) []time.Duration {
	all := make([]time.Duration, len(t.starts))
	for i := range all {
		all[i] = time.Duration(t.starts[i].Load()) - t.opened - due(i, rate)
	}
	slices.Sort(all)
	return all
}

func millis(d time.Duration) float64 { return d.Seconds() * 1000 }
