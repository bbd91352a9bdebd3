package postlude_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

func goexit() { runtime.Goexit() }

// TestShutdownHandsBack: durable tasks that a shutdown interrupts are in the queue again,
// their attempt not counted, and the next process finishes them. Handlers are not asked:
// one that takes every failure for handled would lose them.
func TestShutdownHandsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		asked := new(tracer)
		n := new(notifier)
		task := billing(func(ctx context.Context, _ bill) error {
			info, _ := postlude.TaskOf(ctx)
			attempts = append(attempts, info.Attempt)
			select {
			case <-time.After(time.Minute):
				return nil
			case <-ctx.Done():
				return errors.New("interrupted") // what drivers say, too
			}
		}, postlude.OnError(verdict("catch-all", postlude.Handled, asked), postlude.Escalate(n)))
		e := durabletest.NewEngine()
		cfg := postlude.Config{Engine: e, Tasks: []postlude.Definition{task}}
		first := postludetest.New(t, cfg)
		run := accepted(t)(postlude.Go(first.Context(), task.With(bill{})))
		time.Sleep(sec)
		report, err := first.Runtime().Shutdown(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		want := postlude.Counts{Enqueued: 1, Requeued: 1}
		if report.Counts != want || len(report.Leftovers) != 1 || report.Leftovers[0].State != postlude.StateRequeued || report.Leftovers[0].ID != run.ID() {
			t.Errorf("report %+v", report)
		}
		if len(n.told) != 0 || len(first.Records(taskconv.EventRequeued)) != 1 || len(first.Records(taskconv.EventFailed)) != 0 {
			t.Errorf("told %v, records %v", n.told, first.Records(""))
		}
		second := postludetest.New(t, cfg)
		second.Settle()
		if c := second.Runtime().Snapshot().Counts; c.Succeeded != 1 || len(attempts) != 2 || attempts[1] != 1 {
			t.Errorf("%+v, attempts %v", c, attempts)
		}
	})
}

// TestShutdownFinishesShielded: what is shielded ends here.
func TestShutdownFinishesShielded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := billing(func(ctx context.Context, _ bill) error {
			time.Sleep(sec)
			return ctx.Err()
		}, postlude.Shield(true))
		h, e := durably(t, postlude.Config{}, task)
		accepted(t)(postlude.Go(h.Context(), task.With(bill{})))
		synctest.Wait()
		report, err := h.Runtime().Shutdown(context.Background())
		if err != nil || report.Succeeded != 1 || report.Requeued != 0 || queued(t, e) != 0 {
			t.Errorf("%v, %+v, %d jobs", err, report, queued(t, e))
		}
	})
}

// TestShutdownOutOfTime: a shielded durable task that does not end is left to itself.
func TestShutdownOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := billing(func(context.Context, bill) error { time.Sleep(time.Minute); return nil }, postlude.Shield(true))
		h, e := durably(t, postlude.Config{}, task)
		accepted(t)(postlude.Go(h.Context(), task.With(bill{})))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), sec)
		defer cancel()
		report, err := h.Runtime().Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || len(report.Leftovers) != 1 || report.Leftovers[0].State != postlude.StateUnfinished {
			t.Errorf("%v, %+v", err, report)
		}
		time.Sleep(2 * time.Minute)
		if n := queued(t, e); n != 0 {
			t.Errorf("%d jobs", n)
		}
	})
}

// TestJobCanceled: a job that an operator cancels is canceled, not handed back.
func TestJobCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := billing(func(ctx context.Context, _ bill) error { <-ctx.Done(); return ctx.Err() }, postlude.OnError(postlude.Retry{Max: 3}))
		h, e := durably(t, postlude.Config{}, task)
		accepted(t)(postlude.Go(h.Context(), task.With(bill{})))
		synctest.Wait()
		for _, j := range e.Jobs() {
			e.Cancel(j.ID)
		}
		h.Settle()
		if c := h.Runtime().Snapshot().Counts; c.Canceled != 1 || len(h.Records(taskconv.EventFailed)) != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// stored puts a job into an engine as another process, or another release, would.
func stored(t *testing.T, e durable.Engine, task, args, envelope string) {
	t.Helper()
	_, err := e.Enqueue(t.Context(), durable.Job{Task: task, Args: json.RawMessage(args), Envelope: json.RawMessage(envelope)})
	if err != nil {
		t.Fatal(err)
	}
}

const (
	goodEnvelope = `{"v":1,"id":"019c3a7e-0000-7000-8000-000000000001"}`
	nextEnvelope = `{"v":2,"task":"019c3a7e-0000-7000-8000-000000000001"}`
)

// TestUnreadable: what nobody can read is a dead letter, what a newer release can read
// waits for that; neither is lost, loops, or is kept from who is to be told.
func TestUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		args, envelope string
		want           error
	}{
		"damaged envelope": {`{}`, `{"v":1}`, durable.ErrDamaged},
		"no envelope":      {`{}`, `{}`, durable.ErrDamaged},
		"other arguments":  {`{"order":17}`, goodEnvelope, durable.ErrArguments},
		"a newer release":  {`{}`, nextEnvelope, durable.ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, asked := new(notifier), new(tracer)
				task := billing(func(context.Context, bill) error { t.Error("it ran"); return nil },
					postlude.OnError(verdict("handler", postlude.Handled, asked), postlude.Escalate(n)))
				h, e := durably(t, postlude.Config{EscalationWindow: -1}, task)
				stored(t, e, "bill", c.args, c.envelope)
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if len(n.told) == 0 || !errors.Is(n.told[0].Err, c.want) {
					t.Fatalf("told %v", n.told)
				}
				dead, err := h.Runtime().DeadLetters().List(t.Context(), durable.Query{})
				if err != nil {
					t.Fatal(err)
				}
				if c.want == durable.ErrVersion {
					// 1 + 2 + 4 + 8 + 16 + 32 minutes, then each hour
					if runs := len(h.Spans("run bill")); len(dead) != 0 || queued(t, e) != 1 || runs < 20 || runs > 40 {
						t.Errorf("%d dead, %d jobs, %d times looked at in a day", len(dead), queued(t, e), runs)
					}
					return
				}
				if len(dead) != 1 || len(n.told) != 1 || queued(t, e) != 0 || len(h.Records(taskconv.EventFailed)) != 1 {
					t.Errorf("dead letters %+v, told %d times", dead, len(n.told))
				}
			})
		})
	}
}

// TestDeadLetter: what was wrong is shown, without secrets, and a retry starts over.
func TestDeadLetter(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	var runs atomic.Int32
	task := billing(func(context.Context, bill) error {
		runs.Add(1)
		if broken.Load() {
			return errBoom
		}
		return nil
	}, postlude.OnError(postlude.Retry{Max: 1, Base: time.Millisecond}))
	h, e := durably(t, postlude.Config{TraceURL: "http://jaeger/{trace_id}"}, task)
	run := accepted(t)(postlude.Go(h.Context(), task.With(bill{"o-17", "4111"})))
	h.Settle()
	dead := h.Runtime().DeadLetters()
	list, err := dead.List(t.Context(), durable.Query{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	d, err := dead.Get(t.Context(), list[0].ID)
	if err != nil || d.Task.ID != run.ID() || d.Task.Attempt != 2 || d.Message != "boom" || d.Kind != postlude.KindError ||
		d.Args != `{"order":"o-17","card":"[REDACTED]"}` || len(d.History) != 2 || d.TraceURL != "http://jaeger/"+d.SpanContext.TraceID().String() {
		t.Errorf("%+v, %v", d, err)
	}
	// A process that does not know the task can't know its secrets.
	page := postludetest.New(t, postlude.Config{Engine: e})
	if l, err := page.Runtime().DeadLetters().Get(t.Context(), d.ID); err != nil || l.Args != `{"card":"[REDACTED]","order":"[REDACTED]"}` {
		t.Errorf("%+v, %v", l, err)
	}
	if err := dead.Retry(t.Context(), d.ID); err != nil {
		t.Fatal(err)
	}
	h.Settle()
	if n := runs.Load(); n != 4 { // twice more: the attempts count anew
		t.Errorf("%d runs, want 4", n)
	}
	broken.Store(false)
	list, _ = dead.List(t.Context(), durable.Query{})
	if err := dead.Retry(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	h.Settle()
	if c := h.Runtime().Snapshot().Counts; c.Succeeded != 1 {
		t.Errorf("%+v", c)
	}
	for _, err := range []error{dead.Retry(t.Context(), d.ID), dead.Discard(t.Context(), d.ID)} {
		if !errors.Is(err, durable.ErrNotFound) {
			t.Errorf("a letter that is gone: %v", err)
		}
	}
}

// TestAttemptsLost: a task that takes its process down each time is not run for ever.
func TestAttemptsLost(t *testing.T) {
	task := billing(func(context.Context, bill) error { t.Error("it ran"); return nil })
	e := &crashed{Engine: durabletest.NewEngine()}
	stored(t, e, "bill", `{}`, goodEnvelope)
	h := postludetest.New(t, postlude.Config{Engine: e, Tasks: []postlude.Definition{task}})
	h.Settle()
	dead, err := h.Runtime().DeadLetters().List(t.Context(), durable.Query{})
	failed := h.Records(taskconv.EventFailed)
	if err != nil || len(dead) != 1 || len(failed) != 1 {
		t.Fatalf("%+v, %v, %v", dead, err, failed)
	}
	if got := attrOf(one(t, h, "run bill"), taskconv.TaskAttempt).AsInt64(); got != 12 {
		t.Errorf("attempt %d", got)
	}
}

// crashed is an engine whose jobs have had eleven attempts that nobody heard of again.
type crashed struct{ *durabletest.Engine }

func (c *crashed) Work(ctx context.Context, w durable.Worker) (durable.Session, error) {
	do := w.Do
	w.Do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
		d.Attempt += 11
		return do(ctx, d)
	}
	return c.Engine.Work(ctx, w)
}

// TestQueueMetrics: depth, age and states of the queues can be scraped.
func TestQueueMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := billing(nothing, postlude.Queueing(durable.Queue("mail")))
		h, _ := durably(t, postlude.Config{EnqueueOnly: true}, task)
		for range 3 {
			accepted(t)(postlude.Go(h.Context(), task.With(bill{})))
		}
		accepted(t)(postlude.Go(h.Context(), task.With(bill{}), postlude.Delay(time.Hour)))
		time.Sleep(time.Minute)
		for state, want := range map[string]float64{taskconv.QueueAvailable: 3, taskconv.QueueScheduled: 1, taskconv.QueueRunning: 0} {
			if got := h.Metric(taskconv.MetricQueueJobs, attribute.String(taskconv.TaskQueue, "mail"), attribute.String(taskconv.QueueState, state)); got != want {
				t.Errorf("%v jobs are %s, want %v", got, state, want)
			}
		}
		if got := h.Metric(taskconv.MetricQueueAge); got != 60 {
			t.Errorf("the oldest waits for %v s, want 60", got)
		}
		if got := h.Metric(taskconv.MetricEnqueued); got != 4 {
			t.Errorf("%v enqueued", got)
		}
	})
}
