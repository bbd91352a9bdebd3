package postlude_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

var errAway = errors.New("the database is away")

func nothing(context.Context, bill) error { return nil }

// queued is how many jobs an engine has.
func queued(t *testing.T, e durable.Engine) (n int) {
	t.Helper()
	queues, err := e.Queues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		n += q.Available + q.Scheduled + q.Running + q.Retrying
	}
	return n
}

// TestDurableTimings: without a transaction, a task is enqueued at its timing.
func TestDurableTimings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := billing(nothing)
		h, e := durably(t, postlude.Config{EnqueueOnly: true}, task)
		h.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterRoute(r.Context(), task.With(bill{"route", ""})))
			run := accepted(t)(postlude.AfterResponse(r.Context(), task.With(bill{"response", ""})))
			synctest.Wait()
			if n := queued(t, e); n != 0 || isClosed(run.Started()) {
				t.Errorf("%d jobs before the handler returned", n)
			}
		}), httptest.NewRequest("GET", "/", http.NoBody))
		synctest.Wait()
		if n := queued(t, e); n != 2 {
			t.Errorf("%d jobs after the response, want 2", n)
		}
		want := postlude.Counts{Enqueued: 2}
		if c := h.Runtime().Snapshot().Counts; c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
		var timings []string // they start in order, and end as they like
		for _, s := range h.Spans("schedule bill") {
			timings = append(timings, attrOf(s, taskconv.TaskTiming).AsString())
		}
		if slices.Sort(timings); !slices.Equal(timings, []string{taskconv.TimingAfterResponse, taskconv.TimingAfterRoute}) {
			t.Errorf("timings %v", timings)
		}
		if p := h.Metric(taskconv.MetricPending); p != 0 {
			t.Errorf("%v pending", p)
		}
	})
}

// TestDurableTx: in a transaction, a task is enqueued when it is scheduled, and exists
// if that is committed. The transaction does not reach other tasks.
func TestDurableTx(t *testing.T) {
	task := billing(nothing)
	h, e := durably(t, postlude.Config{EnqueueOnly: true}, task)
	var leaked any
	h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		kept, lost := e.Begin(), e.Begin()
		accepted(t)(postlude.AfterResponse(durable.WithTx(r.Context(), kept), task.With(bill{})))
		accepted(t)(postlude.AfterRoute(durable.WithTx(r.Context(), lost), task.With(bill{})))
		accepted(t)(postlude.Go(durable.WithTx(r.Context(), kept), postlude.Func("plain", func(ctx context.Context) error {
			leaked = durable.TxOf(ctx)
			return nil
		})))
		if n := queued(t, e); n != 0 {
			t.Errorf("%d jobs before the commit", n)
		}
		if err := errors.Join(kept.Commit(), lost.Rollback()); err != nil {
			t.Error(err)
		}
		if n := queued(t, e); n != 1 {
			t.Errorf("%d jobs after the commit, want 1", n)
		}
	}), httptest.NewRequest("GET", "/", http.NoBody))
	if err := h.Runtime().Wait(t.Context()); err != nil || leaked != nil {
		t.Errorf("%v; the task has the transaction %v", err, leaked)
	}
	if _, err := postlude.Go(durable.WithTx(h.Context(), "no transaction"), task.With(bill{})); !errors.Is(err, durable.ErrTx) {
		t.Errorf("a transaction of another type: %v", err)
	}
}

// TestEnqueueFails: the handler sees it while it can.
func TestEnqueueFails(t *testing.T) {
	task := billing(nothing)
	h, e := durably(t, postlude.Config{}, task)
	e.FailEnqueue(errAway)
	if _, err := postlude.Go(h.Context(), task.With(bill{})); !errors.Is(err, errAway) {
		t.Errorf("got %v", err)
	}
	e.FailEnqueue(nil)
	if s := one(t, h, "schedule bill"); s.Status().Description != errAway.Error() {
		t.Errorf("status %v", s.Status())
	}
	if h.Metric(taskconv.MetricRejected) != 1 || h.Runtime().Snapshot().Counts != (postlude.Counts{}) {
		t.Errorf("rejected %v, counts %+v", h.Metric(taskconv.MetricRejected), h.Runtime().Snapshot().Counts)
	}
}

// TestEnqueueLate: after the handler, a task is tried to be enqueued for a while; then it
// is dropped, recorded, counted and escalated.
func TestEnqueueLate(t *testing.T) {
	for name, away := range map[string]time.Duration{"back in time": 10 * sec, "back too late": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(notifier)
				task := billing(nothing, postlude.OnError(verdict("not asked", postlude.Handled, new(tracer)), postlude.Escalate(n)))
				h, e := durably(t, postlude.Config{EnqueueOnly: true}, task)
				e.FailEnqueue(errAway)
				var run postlude.Run
				h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					run = accepted(t)(postlude.AfterResponse(r.Context(), task.With(bill{})))
				}), httptest.NewRequest("GET", "/", http.NoBody))
				time.Sleep(away)
				e.FailEnqueue(nil)
				<-run.Done()
				if away < time.Minute {
					if run.Err() != nil || queued(t, e) != 1 || len(h.Records(taskconv.EventRetrying)) != 1 {
						t.Errorf("err %v, %d jobs, records %v", run.Err(), queued(t, e), h.Records(""))
					}
					return
				}
				dropped := h.Records(taskconv.EventDropped)
				if !errors.Is(run.Err(), errAway) || queued(t, e) != 0 || len(dropped) != 1 ||
					dropped[0][taskconv.LogReason] != taskconv.ReasonEnqueueFailed {
					t.Errorf("err %v, %d jobs, records %v", run.Err(), queued(t, e), dropped)
				}
				if len(n.told) != 1 || h.Metric(taskconv.MetricDropped) != 1 || h.Metric(taskconv.MetricPending) != 0 {
					t.Errorf("told %v, dropped %v", n.told, h.Metric(taskconv.MetricDropped))
				}
				if c := h.Runtime().Snapshot().Counts; c.Dropped != 1 || c.Scheduled != 1 {
					t.Errorf("counts %+v", c)
				}
			})
		})
	}
}

// TestCancelBeforeEnqueue: a task that is canceled before its timing is not enqueued.
func TestCancelBeforeEnqueue(t *testing.T) {
	task := billing(nothing)
	h, e := durably(t, postlude.Config{EnqueueOnly: true}, task)
	var run postlude.Run
	h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		run = accepted(t)(postlude.AfterResponse(r.Context(), task.With(bill{})))
		run.Cancel()
	}), httptest.NewRequest("GET", "/", http.NoBody))
	<-run.Done()
	if c := h.Runtime().Snapshot().Counts; c.Canceled != 1 || queued(t, e) != 0 || run.Err() == nil {
		t.Errorf("counts %+v, %d jobs, err %v", c, queued(t, e), run.Err())
	}
}

// TestDelayAndUnique: options of the queue reach it.
func TestDelayAndUnique(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at time.Duration
		task := billing(func(context.Context, bill) error { at = time.Since(start); return nil })
		h, _ := durably(t, postlude.Config{}, task)
		first := accepted(t)(postlude.Go(h.Context(), task.With(bill{}), postlude.Delay(time.Minute), postlude.Queueing(durable.Unique("o-17"))))
		again := accepted(t)(postlude.Go(h.Context(), task.With(bill{}), postlude.Queueing(durable.Unique("o-17"))))
		h.Settle()
		if at != time.Minute || first.ID() != again.ID() || len(h.Spans("run bill")) != 1 {
			t.Errorf("ran at %v, %d times, ids %s and %s", at, len(h.Spans("run bill")), first.ID(), again.ID())
		}
		if got := attrOf(h.Spans("schedule bill")[1], taskconv.TaskDuplicateOf).AsString(); got != first.ID() {
			t.Errorf("duplicate of %q", got)
		}
		if d := attrOf(one(t, h, "run bill"), taskconv.TaskQueueDelay).AsFloat64(); d != 0 {
			t.Errorf("a delay that was asked for is a queue delay of %v s", d)
		}
	})
}

// TestUnknownTaskWaits: a job that this process does not know is there for one that does.
func TestUnknownTaskWaits(t *testing.T) {
	e := durabletest.NewEngine()
	task, other := billing(nothing), postlude.Define("other", func(context.Context, int) error { return nil }, postlude.Durable())
	web := postludetest.New(t, postlude.Config{Engine: e, Tasks: []postlude.Definition{other}})
	accepted(t)(postlude.Go(web.Context(), task.With(bill{})))
	accepted(t)(postlude.Go(web.Context(), other.With(1)))
	web.Settle()
	if n := queued(t, e); n != 1 || len(web.Records(taskconv.EventWarning)) != 1 {
		t.Errorf("%d jobs, warnings %v", n, web.Records(taskconv.EventWarning))
	}
	worker := postludetest.New(t, postlude.Config{Engine: e, Tasks: []postlude.Definition{task}})
	worker.Settle()
	if c := worker.Runtime().Snapshot().Counts; c.Succeeded != 1 {
		t.Errorf("%+v", c)
	}
}

// TestEnqueueWhileDraining: what a task leaves behind while the runtime shuts down is
// enqueued; after the shutdown, nothing is.
func TestEnqueueWhileDraining(t *testing.T) {
	task := billing(nothing)
	h, e := durably(t, postlude.Config{EnqueueOnly: true}, task)
	closing := make(chan struct{})
	run := accepted(t)(postlude.Go(h.Context(), postlude.Func("last", func(ctx context.Context) error {
		<-closing
		_, err := postlude.Go(ctx, task.With(bill{}))
		return err
	}), postlude.Shield(true)))
	<-run.Started()
	ended := make(chan error)
	go func() { _, err := h.Runtime().Shutdown(context.Background()); ended <- err }()
	waitFor(t, h.Runtime(), func(s postlude.Snapshot) bool { return s.Closing })
	close(closing)
	if err := errors.Join(<-ended, run.Err()); err != nil || queued(t, e) != 1 {
		t.Errorf("%v, %d jobs", err, queued(t, e))
	}
	if _, err := postlude.Go(h.Context(), task.With(bill{})); !errors.Is(err, postlude.ErrShuttingDown) {
		t.Errorf("after the shutdown: %v", err)
	}
}
