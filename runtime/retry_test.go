package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// attempts runs a task that fails as body says, and returns when its attempts were.
func attempts(t *testing.T, r postlude.ErrorHandler, body func(attempt int) error) (at []time.Duration, h *postludetest.Harness) {
	h = postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(r)}})
	start := time.Now()
	settle(t, h, postlude.Func("job", func(context.Context) error {
		at = append(at, time.Since(start))
		return body(len(at))
	}))
	return at, h
}

const sec = time.Second

// TestRetry: when the attempts are, to the nanosecond.
func TestRetry(t *testing.T) {
	always := func(int) error { return errBoom }
	for name, c := range map[string]struct {
		retry postlude.Retry
		body  func(int) error
		want  []time.Duration
	}{
		"exponential":     {postlude.Retry{Max: 3, Base: sec}, always, []time.Duration{0, sec, 3 * sec, 7 * sec}},
		"default base":    {postlude.Retry{Max: 1}, always, []time.Duration{0, postlude.DefaultRetryBase}},
		"cap":             {postlude.Retry{Max: 4, Base: sec, Cap: 3 * sec}, always, []time.Duration{0, sec, 3 * sec, 6 * sec, 9 * sec}},
		"no retries":      {postlude.Retry{}, always, []time.Duration{0}},
		"until it works":  {postlude.Retry{Max: 9, Base: sec}, func(n int) error { return map[bool]error{true: errBoom}[n < 3] }, []time.Duration{0, sec, 3 * sec}},
		"permanent":       {postlude.Retry{Max: 9, Base: sec}, func(n int) error { return fmt.Errorf("wrapped: %w", postlude.Permanent(errBoom)) }, []time.Duration{0}},
		"permanent later": {postlude.Retry{Max: 9, Base: sec}, func(n int) error { return map[bool]error{true: errBoom, false: postlude.Permanent(errBoom)}[n < 2] }, []time.Duration{0, sec}},
		"retry after":     {postlude.Retry{Max: 2, Base: sec, Cap: sec, Jitter: 1}, func(int) error { return postlude.RetryableAfter(errBoom, time.Minute) }, []time.Duration{0, time.Minute, 2 * time.Minute}},
		"panic":           {postlude.Retry{Max: 1, Base: sec}, func(int) error { panic("boom") }, []time.Duration{0, sec}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at, h := attempts(t, c.retry, c.body)
				if !slices.Equal(at, c.want) {
					t.Errorf("attempts at %v, want %v", at, c.want)
				}
				if s := h.Spans("run job")[0]; attrOf(s, "task.max_attempts").AsInt64() != int64(c.retry.Max+1) {
					t.Errorf("%v", s.Attributes())
				}
			})
		})
	}
}

// TestRetryJitter: full jitter is anywhere from nothing to the whole delay.
func TestRetryJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, _ := attempts(t, postlude.Retry{Max: 200, Base: sec, Cap: sec, Jitter: 1}, func(int) error { return errBoom })
		var low, high int
		for i := range at[1:] {
			switch d := at[i+1] - at[i]; {
			case d < 0 || d > sec:
				t.Fatalf("a delay of %v", d)
			case d < sec/2:
				low++
			default:
				high++
			}
		}
		if len(at) != 201 || low < 50 || high < 50 {
			t.Errorf("%d attempts, %d short and %d long delays", len(at), low, high)
		}
	})
}

// TestRetryHugeMax: the shift does not overflow.
func TestRetryHugeMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, _ := attempts(t, postlude.Retry{Max: 100, Base: sec, Cap: time.Hour}, func(int) error { return errBoom })
		if d := at[100] - at[99]; len(at) != 101 || d != time.Hour {
			t.Errorf("%d attempts, the last delay %v", len(at), d)
		}
	})
}

// TestRetryTimeout: each attempt has its own time.
func TestRetryTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		start := time.Now()
		run := settle(t, h, postlude.Func("job", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }),
			postlude.Timeout(10*sec), postlude.OnError(postlude.Is(context.DeadlineExceeded, postlude.Retry{Max: 1, Base: sec})))
		if time.Since(start) != 21*sec || !errors.Is(run.Err(), context.DeadlineExceeded) {
			t.Errorf("%v after %v", run.Err(), time.Since(start))
		}
	})
}

func TestPermanentAndRetryableAfterKeepTheError(t *testing.T) {
	for _, err := range []error{postlude.Permanent(errBoom), postlude.RetryableAfter(errBoom, sec)} {
		if err.Error() != "boom" || !errors.Is(err, errBoom) {
			t.Errorf("%v", err)
		}
		h := postludetest.New(t, postlude.Config{})
		settle(t, h, postlude.Func("job", func(context.Context) error { return err }))
		if r := h.Records(taskconv.EventFailed); r[0]["error.type"] != boomType {
			t.Errorf("%v", r)
		}
	}
	if postlude.Permanent(nil) != nil || postlude.RetryableAfter(nil, sec) != nil {
		t.Error("nil became an error")
	}
}

// TestPermanentIsNeverRetried, whoever asks for it; the next handler is asked.
func TestPermanentIsNeverRetried(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	again := postlude.HandlerFunc("again", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		if f.Attempt < 3 {
			return postlude.RetryAfter(0)
		}
		return postlude.Pass
	})
	settle(t, h, postlude.Func("job", func(context.Context) error { return fmt.Errorf("wrapped: %w", postlude.Permanent(errBoom)) }),
		postlude.OnError(again, verdict("next", postlude.Handled, new(tracer))))
	if n := len(h.Spans("run job")); n != 1 {
		t.Errorf("%d attempts", n)
	}
	if r := h.Records(taskconv.EventFailed); len(r) != 1 || r[0]["task.verdict"] != "handled" || r[0]["task.verdict.handler"] != "next" {
		t.Errorf("%v", r)
	}
}

// TestRetryBudget: of a hundred tasks that all fail, only so many are retried as the
// budget allows; the others pass on, and say so.
func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{
			Workers: 1, RetryBudget: postlude.RetryBudget{Percent: 20, Floor: 3},
			Defaults: []postlude.Option{postlude.OnError(postlude.Retry{Max: 1, Base: sec}, verdict("next", postlude.Handled, new(tracer)))},
		})
		for range 100 {
			settle2 := admitted(t)(postlude.Go(h.Context(), postlude.Func("job", failing)))
			_ = settle2
		}
		h.Settle()
		// The first three are the floor's; from the 20th attempt on, one in five.
		if n := h.Metric(taskconv.MetricRetries); n != 20 {
			t.Errorf("%v retries", n)
		}
		refused := 0
		for _, r := range h.Records(taskconv.EventFailed) {
			if r["task.retry.refused"] == "budget" {
				if refused++; r["task.verdict.handler"] != "next" {
					t.Errorf("the next handler was not asked: %v", r)
				}
			}
		}
		if refused != 80 {
			t.Errorf("%d records tell of the budget", refused)
		}
		time.Sleep(time.Minute) // the window is over: the floor is there again
		for range 5 {
			admitted(t)(postlude.Go(h.Context(), postlude.Func("job", failing)))
		}
		h.Settle()
		if n := h.Metric(taskconv.MetricRetries); n != 23 {
			t.Errorf("%v retries, want the floor's three more", n)
		}
	})
}

// TestManyRetriesPending: one timer, no goroutine each, and all are there in time.
func TestManyRetriesPending(t *testing.T) {
	n := 1_000_000
	if raceEnabled || testing.Short() {
		n = 20_000
	}
	rt, err := postlude.New(postlude.Config{Queue: n, Logger: quiet, Defaults: []postlude.Option{
		postlude.OnError(postlude.Retry{Max: 1, Base: time.Hour}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := rt.Context(context.Background())
	var last postlude.Run
	for range n {
		last = admitted(t)(postlude.Go(ctx, failingTask.With(0)))
	}
	waitFor(t, rt, func(s postlude.Snapshot) bool { return s.Retrying == n })
	if g := goroutines(); g > postlude.DefaultWorkers+20 {
		t.Errorf("%d goroutines", g)
	}
	t.Logf("%d bytes for each of %d pending retries", heap()/n, n)
	r, err := rt.Shutdown(context.Background())
	if err != nil || r.Dropped != n || !errors.Is(last.Err(), postlude.ErrShuttingDown) {
		t.Errorf("%+v, %v, %v", r.Counts, err, last.Err())
	}
}
