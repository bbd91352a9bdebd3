package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/contend"
	"github.com/postlude/postlude/benchmarks/internal/figures"
	"github.com/postlude/postlude/benchmarks/internal/machine"
	postlude "github.com/postlude/postlude/runtime"
)

const retriesName = "retries"

// The kinds of retries, besides Postlude's.
const (
	sleeping  = "by hand, sleeping goroutine each"
	afterFunc = "by hand, time.AfterFunc each"
	postludes = "Postlude"
)

// The units of retries.
const (
	latenessMean = "mean lateness, ms"
	latenessP99  = "lateness p99, ms"
)

// retriesPerSecond is how many are due in a second: what the machine can run besides, so
// that the lateness is that of the timers.
const retriesPerSecond = 100_000

// retrying is a number of tasks that fail at first, and succeed at the next attempt.
type retrying struct {
	first   time.Time // when the first retry is due
	failed  []atomic.Bool
	late    []time.Duration
	pending sync.WaitGroup // until all have failed
}

// errTooSlow tells that the first retry was due before all tasks had failed.
var errTooSlow = errors.New("the tasks have not failed in time")

// retries measures tasks that wait for their next attempt: what they hold, and how late
// they start. Spans and records are off: their cost is measured elsewhere.
func retries(ctx context.Context, s spec) (values, error) {
	settling := 250*time.Millisecond + time.Duration(s.N)*18*time.Microsecond
	for {
		out, err := retriesAfter(ctx, s, settling)
		if err == nil || !errors.Is(err, errTooSlow) || ctx.Err() != nil {
			return out, err
		}
		settling *= 2
	}
}

// retriesAfter has the first retry due after a time in which all tasks have to fail.
func retriesAfter(ctx context.Context, s spec, settling time.Duration) (values, error) {
	tel := contend.NewTelemetry(contend.TelemetryConfig{Sampling: s.Sampling, Log: contend.NoLog})
	request, endRequest := tel.Request(ctx)
	defer endRequest()
	r := &retrying{failed: make([]atomic.Bool, s.N), late: make([]time.Duration, s.N), first: time.Now().Add(settling)}
	r.pending.Add(s.N)
	by, err := r.by(s.Kind, request, tel)
	if err != nil {
		return nil, err
	}
	before := machine.Memory()
	for i := range s.N {
		if err := by.submit(i); err != nil {
			return nil, err
		}
	}
	r.pending.Wait()
	inUse := float64(machine.Memory()) - float64(before)
	if time.Now().After(r.first) {
		err = fmt.Errorf("%w of %v", errTooSlow, settling)
	}
	if err := errors.Join(err, by.wait(), tel.Check(ctx, 2*s.N), tel.Close(ctx)); err != nil {
		return nil, err
	}
	var sum time.Duration
	for _, d := range r.late {
		sum += d
	}
	slices.Sort(r.late)
	out := values{
		latenessMean: sum.Seconds() * 1000 / float64(s.N),
		latenessP99:  figures.Percentile(r.late, 99).Seconds() * 1000,
	}
	out.memory(inUse, s.N)
	return out, nil
}

// due is when the retry of task i is.
func (r *retrying) due(i int) time.Time { return r.first.Add(due(i, retriesPerSecond)) }

// body fails once.
func (r *retrying) body(_ context.Context, a contend.Receipt) error {
	i := a.Cents
	if !r.failed[i].Swap(true) {
		return errNoMail
	}
	r.late[i] = max(0, time.Since(r.due(i)))
	return nil
}

// retrier schedules tasks, and waits for the end of all.
type retrier struct {
	submit func(i int) error
	wait   func() error
}

func (r *retrying) by(kind string, request context.Context, tel *contend.Telemetry) (retrier, error) {
	c := contend.Config{Telemetry: tel, Body: r.body}
	switch kind {
	case postludes:
		return r.postlude(c, request)
	case sleeping:
		return r.hand(c, request, func(d time.Duration, then func()) {
			r.pending.Done()
			time.Sleep(d)
			then()
		})
	case afterFunc:
		return r.hand(c, request, func(d time.Duration, then func()) {
			time.AfterFunc(d, then)
			r.pending.Done()
		})
	}
	return retrier{}, fmt.Errorf("there is no contender %q", kind)
}

func (r *retrying) postlude(c contend.Config, request context.Context) (retrier, error) {
	handler := postlude.HandlerFunc("retry", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		a, _ := postlude.ArgsOf[contend.Receipt](f)
		r.pending.Done()
		return postlude.RetryAfter(time.Until(r.due(a.Cents)))
	})
	p, err := contend.NewPostlude(c, postlude.Config{Defaults: []postlude.Option{postlude.OnError(handler)}})
	if err != nil {
		return retrier{}, err
	}
	request = p.Context(request)
	return retrier{
		submit: func(i int) error { return p.Submit(request, receipt(i)) },
		wait:   func() error { p.Wait(); return p.Close() },
	}, nil
}

// hand has the two attempts written out: later is how the second waits for its time.
func (r *retrying) hand(c contend.Config, request context.Context, later func(time.Duration, func())) (retrier, error) {
	h, err := contend.NewHand(c)
	if err != nil {
		return retrier{}, err
	}
	var all sync.WaitGroup
	return retrier{
		submit: func(i int) error {
			ctx, scheduled := context.WithoutCancel(request), time.Now()
			all.Add(1)
			go func() {
				if h.Attempt(ctx, scheduled, receipt(i)) == nil {
					all.Done() // which the count of the attempts tells
					return
				}
				later(time.Until(r.due(i)), func() {
					defer all.Done()
					_ = h.Attempt(ctx, r.due(i), receipt(i))
				})
			}()
			return nil
		},
		wait: func() error { all.Wait(); return h.Close() },
	}, nil
}
