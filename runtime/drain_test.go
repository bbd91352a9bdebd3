package postlude_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// sleeper is a task that works for d and notices when it is canceled.
func sleeper(name string, d time.Duration) postlude.Job {
	return postlude.Func(name, func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// stubborn is a task that works for d, whatever its context says.
func stubborn(name string, d time.Duration) postlude.Job {
	return postlude.Func(name, func(context.Context) error { time.Sleep(d); return nil })
}

var shield = postlude.Shield(true)

// states are the leftovers of a report: name to state.
func states(r postlude.Report) map[string]string {
	m := map[string]string{}
	for _, l := range r.Leftovers {
		m[l.Name] = l.State
	}
	return m
}

func equal(t *testing.T, r postlude.Report, counts postlude.Counts, left map[string]string) {
	t.Helper()
	if r.Counts != counts {
		t.Errorf("counts %+v, want %+v", r.Counts, counts)
	}
	got := states(r)
	for name, want := range left {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if len(got) != len(left) {
		t.Errorf("leftovers %v, want %v", got, left)
	}
	if r.Scheduled != r.Succeeded+r.Failed+r.Canceled+r.Dropped+r.Running+r.Pending+r.Retrying {
		t.Errorf("the counts don't add up: %+v", r.Counts)
	}
}

// TestShutdown is the promise: unshielded tasks are canceled or dropped, shielded ones
// finish, queued, delayed or running, and the report says which.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Workers: 2})
		schedule := func(j postlude.Job, opts ...postlude.Option) postlude.Run {
			return admitted(t)(postlude.Go(h.Context(), j, opts...))
		}
		schedule(sleeper("running", time.Hour))
		schedule(sleeper("running_shielded", 5*time.Second), shield)
		synctest.Wait()
		queued := schedule(sleeper("queued", time.Hour))
		schedule(sleeper("queued_shielded", time.Second), shield)
		schedule(sleeper("delayed", time.Second), postlude.Delay(time.Hour))
		schedule(sleeper("delayed_shielded", time.Second), postlude.Delay(10*time.Second), shield)

		r, err := h.Runtime().Shutdown(context.Background())
		if err != nil || r.Elapsed != 11*time.Second {
			t.Errorf("%v after %v", err, r.Elapsed)
		}
		equal(t, r, postlude.Counts{Scheduled: 6, Succeeded: 3, Canceled: 1, Dropped: 2},
			map[string]string{"running": "canceled", "queued": "dropped", "delayed": "dropped"})
		if !errors.Is(queued.Err(), postlude.ErrShuttingDown) {
			t.Errorf("the dropped task's error is %v", queued.Err())
		}
		if _, err := postlude.Go(h.Context(), sleeper("late", 0)); !errors.Is(err, postlude.ErrShuttingDown) {
			t.Errorf("scheduling after shutdown: %v", err)
		}
		checkDropped(t, h, 2, taskconv.ReasonShutdown)
		rejected := attribute.String("reason", taskconv.ReasonShuttingDown)
		if n := h.Metric(taskconv.MetricRejected, rejected); n != 1 {
			t.Errorf("%v rejected", n)
		}
	})
}

func checkDropped(t *testing.T, h *postludetest.Harness, want int, reason string) {
	t.Helper()
	records := h.Records(taskconv.EventDropped)
	if len(records) != want || want > 0 && records[0]["task.reason"] != reason {
		t.Errorf("records of the dropped: %v", records)
	}
	if n := h.Metric(taskconv.MetricDropped, attribute.String("reason", reason)); n != float64(want) {
		t.Errorf("%v counted as dropped, want %d", n, want)
	}
	if n := h.Metric(taskconv.MetricPending); n != 0 {
		t.Errorf("%v pending at the end", n)
	}
}

// TestShutdownDeadline: when the time is over, what waits is dropped though shielded,
// what runs is reported, and nothing is lost.
func TestShutdownDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Workers: 1})
		for _, j := range []postlude.Job{stubborn("running", time.Minute), sleeper("queued", 0)} {
			admitted(t)(postlude.Go(h.Context(), j, shield))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		r, err := h.Runtime().Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || r.Elapsed != 3*time.Second {
			t.Errorf("%v after %v", err, r.Elapsed)
		}
		equal(t, r, postlude.Counts{Scheduled: 2, Dropped: 1, Running: 1},
			map[string]string{"running": "unfinished", "queued": "dropped"})
		if rec := h.Records(taskconv.EventDropped); len(rec) != 1 || rec[0]["level"] != "ERROR" {
			t.Errorf("a broken promise is an error: %v", rec)
		}
		// A second call waits for the rest.
		r, err = h.Runtime().Shutdown(context.Background())
		if err != nil {
			t.Error(err)
		}
		equal(t, r, postlude.Counts{Scheduled: 2, Dropped: 1, Succeeded: 1}, map[string]string{"queued": "dropped"})
	})
}

// TestShutdownUnshieldedIgnoresCancel: a task that does not listen is reported.
func TestShutdownUnshieldedIgnoresCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		admitted(t)(postlude.Go(h.Context(), stubborn("deaf", time.Minute)))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r, err := h.Runtime().Shutdown(ctx)
		if err == nil {
			t.Error("no error")
		}
		equal(t, r, postlude.Counts{Scheduled: 1, Running: 1}, map[string]string{"deaf": "unfinished"})
	})
}

// TestShutdownGrace: within the grace, unshielded tasks end by themselves.
func TestShutdownGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Workers: 1, Grace: 10 * time.Second})
		for _, d := range []time.Duration{time.Second, 2 * time.Second, time.Hour, 0} {
			admitted(t)(postlude.Go(h.Context(), sleeper(d.String(), d)))
		}
		r, err := h.Runtime().Shutdown(context.Background())
		if err != nil || r.Elapsed != 10*time.Second {
			t.Errorf("%v after %v", err, r.Elapsed)
		}
		equal(t, r, postlude.Counts{Scheduled: 4, Succeeded: 2, Canceled: 1, Dropped: 1},
			map[string]string{"1h0m0s": "canceled", "0s": "dropped"})
	})
}

// TestShutdownEmptyAndTwice: nothing to do is quick, and a record is written each time.
func TestShutdownEmptyAndTwice(t *testing.T) {
	h := postludetest.New(t, postlude.Config{Grace: time.Hour})
	for range 2 {
		if r, err := h.Runtime().Shutdown(context.Background()); err != nil || r.Scheduled != 0 || len(r.Leftovers) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if rec := h.Records(taskconv.EventShutdown); len(rec) != 2 || rec[0]["level"] != "INFO" {
		t.Errorf("records: %v", rec)
	}
}

// TestShutdownEndedContext still cancels, drops and reports.
func TestShutdownEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Workers: 1})
		admitted(t)(postlude.Go(h.Context(), stubborn("running", time.Second)))
		admitted(t)(postlude.Go(h.Context(), stubborn("queued", time.Second)))
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r, err := h.Runtime().Shutdown(ctx)
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		equal(t, r, postlude.Counts{Scheduled: 2, Dropped: 1, Running: 1},
			map[string]string{"running": "unfinished", "queued": "dropped"})
	})
}

// TestShutdownFlushes: the processors of the defaults are flushed, not shut down.
func TestShutdownFlushes(t *testing.T) {
	p := new(tracer)
	h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.Processor(p))}})
	admitted(t)(postlude.Go(h.Context(), sleeper("job", 0)))
	h.Settle()
	if _, err := h.Runtime().Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if want := []string{"OnStart run job", "OnEnd run job", "ForceFlush"}; !slices.Equal(p.calls(), want) {
		t.Errorf("%v, want %v", p.calls(), want)
	}
}
