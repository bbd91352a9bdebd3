package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/contend"
	"github.com/postlude/postlude/benchmarks/internal/figures"
)

const pacedName = "paced"

// The units of paced.
const (
	submitP50, submitP99, submitP999 = "scheduling p50, µs", "scheduling p99, µs", "scheduling p99.9, µs"
	startP50, startP99, startP999    = "start p50, µs", "start p99, µs", "start p99.9, µs"
	held                             = "of the rate held, %"
)

// paced measures tasks that come at a steady rate, whatever becomes of those before: how
// long the call takes that schedules one, and how long after it was due its function is
// called. A caller that is held up is late for the next, and that counts.
func paced(ctx context.Context, s spec) (values, error) {
	starts, calls := make([]atomic.Int64, s.N), make([]time.Duration, s.N)
	began := time.Now()
	c, tel, err := s.start(func(_ context.Context, r contend.Receipt) error {
		if r.Cents < len(starts) {
			starts[r.Cents].Store(int64(time.Since(began)))
		}
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	request, end := tel.Request(c.Context(ctx))
	warm := min(s.N, 2000)
	for i := range warm {
		if err := c.Submit(request, receipt(s.N+i)); err != nil {
			return nil, err
		}
	}
	c.Wait()
	opened := time.Since(began)
	for i := range s.N {
		wait := opened + due(i, s.Rate) - time.Since(began)
		if wait > 0 {
			time.Sleep(wait)
		}
		call := time.Now()
		if err := c.Submit(request, receipt(i)); err != nil {
			return nil, err
		}
		calls[i] = time.Since(call)
	}
	c.Wait()
	took := time.Since(began) - opened
	end()
	if err := errors.Join(tel.Flush(ctx), check(ctx, s, tel, warm+s.N), c.Close(), tel.Close(ctx)); err != nil {
		return nil, err
	}
	lags := make([]time.Duration, s.N)
	for i := range lags {
		lags[i] = time.Duration(starts[i].Load()) - opened - due(i, s.Rate)
	}
	slices.Sort(lags)
	slices.Sort(calls)
	at := func(sorted []time.Duration, p float64) float64 { return micros(figures.Percentile(sorted, p)) }
	return values{
		submitP50: at(calls, 50), submitP99: at(calls, 99), submitP999: at(calls, 99.9),
		startP50: at(lags, 50), startP99: at(lags, 99), startP999: at(lags, 99.9),
		held: 100 * min(1, due(s.N, s.Rate).Seconds()/took.Seconds()),
	}, nil
}

func due(i, rate int) time.Duration { return time.Duration(i) * time.Second / time.Duration(rate) }
