package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// TestSnapshotOfTasks: what runs, what waits for a worker, and what waits for another attempt.
func TestSnapshotOfTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Workers: 2, Queue: 10})
		rt := h.Runtime()
		block := make(chan struct{})
		slow := postlude.Func("slow", func(context.Context) error { <-block; return nil })
		flaky := postlude.Func("flaky", func(context.Context) error { return errBoom })
		retry := postlude.OnError(postlude.Retry{Max: 1, Base: time.Minute})

		settledAfter(t, 0)(postlude.Go(h.Context(), flaky, retry))
		first := settledAfter(t, time.Second)(postlude.Go(h.Context(), slow))
		settledAfter(t, time.Second)(postlude.Go(h.Context(), slow, postlude.Shield(true)))
		waits := settledAfter(t, time.Second)(postlude.Go(h.Context(), slow))

		s := rt.Snapshot()
		if s.Slots != 4 || s.MaxSlots != 10 || s.Workers != 2 || s.MaxWorkers != 2 || s.OldestWait != time.Second || s.Closing || s.Time.Sub(s.Started) != 3*time.Second {
			t.Errorf("%+v", s)
		}
		if len(s.Busy) != 2 || s.Busy[0].ID != first.ID() || s.Time.Sub(s.Busy[0].Since) != 3*time.Second || !s.Busy[1].Shield || s.Busy[1].State != postlude.StateRunning {
			t.Errorf("busy: %+v", s.Busy)
		}
		if len(s.Backoff) != 1 || s.Backoff[0].Message != "boom" || s.Backoff[0].Attempt != 1 || s.Backoff[0].Due.Sub(s.Time) != 57*time.Second {
			t.Errorf("backoff: %+v", s.Backoff)
		}
		waits.Cancel() // the backlog still has it
		if s := rt.Snapshot(); s.OldestWait != time.Second {
			t.Errorf("%+v", s)
		}
		close(block)
		h.Settle()
		s = rt.Snapshot()
		if s.Slots != 0 || s.OldestWait != 0 || len(s.Busy)+len(s.Backoff) != 0 || len(s.Tasks) != 2 {
			t.Errorf("%+v", s)
		}
		f, sl := s.Tasks[0], s.Tasks[1]
		if f.Name != "flaky" || f.Retries != 1 || f.Duration.Count != 2 || f.QueueDelay.Count != 2 {
			t.Errorf("%s: %d retries, %d attempts", f.Name, f.Retries, f.Duration.Count)
		}
		if q := sl.Duration.Quantile(1); sl.Duration.Count != 3 || q < 2800*time.Millisecond || q > 3200*time.Millisecond {
			t.Errorf("%s: %d attempts, the longest of %v", sl.Name, sl.Duration.Count, q)
		}
	})
}

// settledAfter admits a task, and lets d pass after that.
func settledAfter(t *testing.T, d time.Duration) func(postlude.Run, error) postlude.Run {
	return func(r postlude.Run, err error) postlude.Run {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(d)
		return r
	}
}

// TestSnapshotOfFailures: each ends as what it is, with all its attempts and what was
// decided about each.
func TestSnapshotOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{TraceURL: "http://jaeger/{trace_id}"})
		type args struct{ Order, Password string }
		fails := func(context.Context, args) error { return errBoom }
		works := postlude.Define("works", func(context.Context, args) error { return nil })
		a := args{"o-17", "hunter2"}
		drop := postlude.HandlerFunc("dropper", func(context.Context, *postlude.Failure) postlude.Verdict { return postlude.Drop })
		run := func(j postlude.Job, opts ...postlude.Option) postlude.FailureInfo {
			settle(t, h, j, opts...)
			return h.Runtime().Snapshot().Failures[0]
		}
		f := run(postlude.Define("rescued", fails, postlude.OnError(postlude.Retry{Max: 1, Base: time.Second})).Fallback(works).With(a))
		if f.State != postlude.StateRescued || f.Verdict != "fallback" || f.Handler != "Task.Fallback" || f.Message != "boom" {
			t.Errorf("%+v", f)
		}
		if len(f.Attempts) != 2 || f.Attempts[0].Verdict != "retry" || f.Attempts[0].Handler != "Retry" || f.Attempts[1].Verdict != "fallback" ||
			f.Attempts[1].Start.Sub(f.Attempts[0].Start) != time.Second || f.Attempts[1].Message != "boom" {
			t.Errorf("%+v", f.Attempts)
		}
		if f.Args != `{"Order":"o-17","Password":"[REDACTED]"}` || f.TraceURL != "http://jaeger/"+f.SpanContext.TraceID().String() {
			t.Errorf("%+v", f)
		}
		failing := postlude.Define("fails", fails)
		f = run(postlude.Define("both_fail", fails).Fallback(failing).With(a))
		if f.State != postlude.StateFailed || len(f.Attempts) != 2 || !f.Attempts[1].Fallback || f.Attempts[0].Verdict != "fallback" || f.Attempts[1].Verdict != "" {
			t.Errorf("%+v", f)
		}
		if f = run(failing.With(a), postlude.OnError(drop)); f.State != postlude.StateDropped || f.Attempts[0].Handler != "dropper" {
			t.Errorf("%+v", f)
		}
	})
}

// TestRareFailuresStay, whatever fails beside them.
func TestRareFailuresStay(t *testing.T) {
	h := postludetest.New(t, postlude.Config{Workers: 1})
	settle(t, h, postlude.Func("rare", failing))
	for i := range 200 {
		settle(t, h, postlude.Func(fmt.Sprintf("storm %d", i%3), func(context.Context) error { return errors.New(strings.Repeat("x", 10_000)) }))
	}
	failures := h.Runtime().Snapshot().Failures
	names := map[string]int{}
	for _, f := range failures {
		names[f.Name]++
		if len(f.Message) > 2000 {
			t.Fatalf("a message of %d bytes", len(f.Message))
		}
	}
	if len(failures) != 64 || names["rare"] != 1 || names["storm 0"] != 21 || names["storm 1"] != 21 || names["storm 2"] != 21 {
		t.Errorf("%v", names)
	}
	if failures[0].Name != "storm 1" || !failures[0].Time.After(failures[20].Time) || failures[63].Name != "rare" {
		t.Errorf("the newest is of %s, the oldest of %s", failures[0].Name, failures[63].Name)
	}
}

// TestFindAndRetryNow: an operator ends a backoff, or the task.
func TestFindAndRetryNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		rt := h.Runtime()
		runs := 0
		flaky := postlude.Func("flaky", func(context.Context) error {
			if runs++; runs < 3 {
				return errBoom
			}
			return nil
		})
		start := time.Now()
		r := settledAfter(t, time.Second)(postlude.Go(h.Context(), flaky, postlude.OnError(postlude.Retry{Max: 5, Base: time.Hour})))
		found, ok := rt.Find(r.ID())
		if !ok || found != r || !found.RetryNow() {
			t.Fatalf("%v, %v", found, ok)
		}
		synctest.Wait()
		if runs != 2 || !r.RetryNow() {
			t.Errorf("%d runs", runs)
		}
		h.Settle()
		if runs != 3 || r.Err() != nil || time.Since(start) != time.Second || r.RetryNow() || (postlude.Run{}).RetryNow() {
			t.Errorf("%d runs, %v, after %v", runs, r.Err(), time.Since(start))
		}
		for _, id := range []string{r.ID(), "", "not an id", postlude.Run{}.ID()} {
			if _, ok := rt.Find(id); ok {
				t.Errorf("found %q", id)
			}
		}
	})
}

// TestFillIsMeasured: what alerts on saturation are made of.
func TestFillIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Workers: 1, Queue: 8})
		block := make(chan struct{})
		slow := postlude.Func("slow", func(context.Context) error { <-block; return nil })
		for range 3 {
			settledAfter(t, time.Second)(postlude.Go(h.Context(), slow))
		}
		want := map[string]float64{
			taskconv.MetricSlots: 3, taskconv.MetricSlotsMax: 8, taskconv.MetricWorkers: 1, taskconv.MetricWorkersMax: 1, taskconv.MetricPendingAge: 2,
		}
		for name, v := range want {
			if got := h.Metric(name); got != v {
				t.Errorf("%s is %v, want %v", name, got, v)
			}
		}
		close(block)
		h.Settle()
		if h.Metric(taskconv.MetricSlots) != 0 || h.Metric(taskconv.MetricPendingAge) != 0 {
			t.Error("an empty queue is not")
		}
	})
}
