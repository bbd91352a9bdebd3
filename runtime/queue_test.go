package postlude

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// newTest makes a runtime that the test may look into.
func newTest(t *testing.T, cfg Config) *Runtime {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	rt, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := rt.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return rt
}

func (rt *Runtime) workers() int { return rt.Snapshot().Workers }

// TestWorkersGrowAndAreReaped: a burst has as many workers as it needs, up to the
// limit, and none is left when there is nothing to do.
func TestWorkersGrowAndAreReaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newTest(t, Config{Workers: 50})
		ctx := rt.Context(context.Background())
		var running, peak atomic.Int32
		for range 200 {
			_, err := Go(ctx, Func("job", func(context.Context) error {
				for n := running.Add(1); peak.Load() < n; {
					peak.Store(n)
				}
				time.Sleep(time.Second)
				running.Add(-1)
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		if err := rt.Wait(context.Background()); err != nil || time.Since(start) != 4*time.Second || peak.Load() != 50 {
			t.Errorf("%v: took %v with %d at once", err, time.Since(start), peak.Load())
		}
		if n := rt.workers(); n != 50 {
			t.Errorf("%d workers", n)
		}
		time.Sleep(idleTime / 2)
		for range 2 { // these keep two workers warm
			_, _ = Go(ctx, Func("job", func(context.Context) error { time.Sleep(time.Millisecond); return nil }))
		}
		time.Sleep(idleTime/2 + time.Second)
		if n := rt.workers(); n != 2 {
			t.Errorf("%d workers, want the two that worked lately", n)
		}
		time.Sleep(idleTime)
		if n := rt.workers(); n != 0 {
			t.Errorf("%d workers are idle", n)
		}
	})
}

// TestBacklogIsFIFO under one worker.
func TestBacklogIsFIFO(t *testing.T) {
	rt := newTest(t, Config{Workers: 1, Queue: 1000})
	var got []int
	task := Define("job", func(_ context.Context, i int) error { got = append(got, i); return nil })
	for i := range 1000 {
		if _, err := Go(rt.Context(context.Background()), task.With(i)); err != nil {
			t.Fatal(err)
		}
	}
	_ = rt.Wait(context.Background())
	if !slices.IsSorted(got) || len(got) != 1000 {
		t.Errorf("%d tasks, out of order", len(got))
	}
}

// TestFIFOGrowsAndWraps compares the ring with a slice.
func TestFIFOGrowsAndWraps(t *testing.T) {
	var f fifo
	var want []*task
	for range 200_000 {
		if rand.IntN(100) < 52 {
			x := new(task)
			f.push(x)
			want = append(want, x)
			continue
		}
		got := f.pop()
		if len(want) == 0 {
			if got != nil {
				t.Fatal("an empty queue gave something")
			}
			continue
		}
		if got != want[0] {
			t.Fatal("out of order")
		}
		want = want[1:]
	}
}

// TestManyDelays: one timer serves them all, each at its time.
func TestManyDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newTest(t, Config{Queue: 20_000})
		ctx, start := rt.Context(context.Background()), time.Now()
		task := Define("job", func(_ context.Context, want time.Duration) error {
			if got := time.Since(start); got != want {
				return fmt.Errorf("%v late", got-want)
			}
			return nil
		})
		var runs []Run
		for range 10_000 {
			d := time.Duration(1+rand.IntN(100_000)) * time.Millisecond
			run, err := Go(ctx, task.With(d), Delay(d))
			if err != nil {
				t.Fatal(err)
			}
			if rand.IntN(10) == 0 {
				run.Cancel()
			}
			runs = append(runs, run)
		}
		_ = rt.Wait(context.Background())
		for _, r := range runs {
			if err := r.Err(); err != nil && !errors.Is(err, ErrCanceled) {
				t.Error(err)
			}
		}
		if n := len(rt.queue.timers.tasks); n != 0 {
			t.Errorf("%d tasks are still in the heap", n)
		}
	})
}

// TestClosuresAreRememberedWithinBounds: names with ids don't eat the memory.
func TestClosuresAreRememberedWithinBounds(t *testing.T) {
	rt := newTest(t, Config{})
	ctx := rt.Context(context.Background())
	for i := range 3 * maxClosures {
		if _, err := Go(ctx, Func(fmt.Sprint("order ", i), func(context.Context) error { return nil })); err != nil {
			t.Fatal(err)
		}
	}
	_ = rt.Wait(context.Background())
	remembered := 0
	rt.closures.plans.Range(func(any, any) bool { remembered++; return true })
	if s := rt.Snapshot(); remembered != maxClosures || len(s.Tasks) != maxNames+1 || s.Succeeded != 3*maxClosures {
		t.Errorf("%d plans, %d names, %+v", remembered, len(s.Tasks), s.Counts)
	}
}

// TestDefinitionInTwoRuntimes: it is pure, each has its own counts and options.
func TestDefinitionInTwoRuntimes(t *testing.T) {
	task := Define("job", func(context.Context, int) error { return nil })
	a, b := newTest(t, Config{}), newTest(t, Config{})
	for i := range 10 {
		rt := []*Runtime{a, b, b}[i%3]
		if _, err := Go(rt.Context(context.Background()), task.With(i)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = a.Wait(context.Background()), b.Wait(context.Background())
	if na, nb := a.Snapshot().Succeeded, b.Snapshot().Succeeded; na != 4 || nb != 6 {
		t.Errorf("%d and %d", na, nb)
	}
}
