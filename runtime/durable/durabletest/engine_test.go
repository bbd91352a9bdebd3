package durabletest_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

func job(task string, opts ...durable.Option) durable.Job {
	return durable.Job{
		Task: task, Args: json.RawMessage(`{"n":1}`), Envelope: json.RawMessage(`{"v":1}`),
		Options: durable.Options{}.With(opts...),
	}
}

func enqueue(t *testing.T, e *durabletest.Engine, j durable.Job) string {
	t.Helper()
	r, err := e.Enqueue(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

type do = func(context.Context, durable.Delivery) durable.Outcome

func work(t *testing.T, e *durabletest.Engine, f do) durable.Session {
	t.Helper()
	s, err := e.Work(t.Context(), durable.Worker{Tasks: []string{"task"}, Limit: 2, Do: f, Logger: slog.Default()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func idle(t *testing.T, e *durabletest.Engine) {
	t.Helper()
	if err := e.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func succeed(context.Context, durable.Delivery) durable.Outcome {
	return durable.Outcome{Action: durable.Done}
}

// only returns the only job.
func only(t *testing.T, e *durabletest.Engine) durabletest.JobInfo {
	t.Helper()
	all := e.Jobs()
	if len(all) != 1 {
		t.Fatalf("there are %d jobs: %+v", len(all), all)
	}
	return all[0]
}

func TestDelaysAreExactInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, start := durabletest.NewEngine(), time.Now()
		var ran []time.Duration
		s := work(t, e, func(_ context.Context, d durable.Delivery) durable.Outcome {
			ran = append(ran, time.Since(start))
			if !d.Ready.Equal(time.Now()) {
				t.Errorf("attempt %d is Ready at %v", d.Attempt, d.Ready)
			}
			if d.Attempt == 1 {
				return durable.Outcome{Action: durable.Retry, Delay: time.Minute, Error: "again"}
			}
			return durable.Outcome{Action: durable.Done, Verdict: "handled"}
		})
		enqueue(t, e, job("task", durable.At(start.Add(time.Hour))))
		if n := e.Pending(); n != 1 || only(t, e).Status != durabletest.StatusScheduled {
			t.Errorf("%d pending: %+v", n, only(t, e))
		}
		idle(t, e)
		if len(ran) != 2 || ran[0] != time.Hour || ran[1] != time.Hour+time.Minute {
			t.Errorf("it ran after %v", ran)
		}
		if j := only(t, e); j.Status != durabletest.StatusDone || j.Attempt != 2 || j.Verdict != "handled" || !j.Ended.Equal(time.Now()) {
			t.Errorf("the job is %+v", j)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestIdleSessionHasNoGoroutine: a bubble ends only when all of its goroutines have, and
// nobody stops this session.
func TestIdleSessionHasNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := durabletest.NewEngine()
		work(t, e, succeed)
		enqueue(t, e, job("task"))
		idle(t, e)
		enqueue(t, e, job("task", durable.At(time.Now().Add(time.Hour))))
	})
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := durabletest.NewEngine()
		enqueue(t, e, job("task", durable.Queue("unattended")))
		enqueue(t, e, job("unknown"))
		enqueue(t, e, job("task"))
		idle(t, e) // nobody will take them
		end := make(chan struct{})
		s := work(t, e, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			<-end
			return succeed(ctx, d)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.Idle(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `task "task" is running`) {
			t.Errorf("Idle with a job that runs: %v", err)
		}
		close(end)
		idle(t, e)
		if n := e.Pending(); n != 2 {
			t.Errorf("%d jobs are pending, want the two that nobody takes", n)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestFailEnqueue(t *testing.T) {
	e, boom := durabletest.NewEngine(), errors.New("the disk is full")
	e.FailEnqueue(boom)
	for range 2 {
		if _, err := e.Enqueue(t.Context(), job("task")); !errors.Is(err, boom) {
			t.Errorf("Enqueue: %v", err)
		}
	}
	e.FailEnqueue(nil)
	enqueue(t, e, job("task"))
	if n := e.Pending(); n != 1 {
		t.Errorf("%d jobs are pending, want 1", n)
	}
}

func TestRefusals(t *testing.T) {
	e := durabletest.NewEngine()
	for want, change := range map[string]func(*durable.Job){
		"has 0 bytes":                   func(j *durable.Job) { j.Task = "" },
		"has 128 bytes":                 func(j *durable.Job) { j.Task = strings.Repeat("t", durable.MaxTaskName+1) },
		"its arguments are no JSON":     func(j *durable.Job) { j.Args = nil },
		"its envelope is no JSON objec": func(j *durable.Job) { j.Envelope = json.RawMessage(`null`) },
		"the priority 9":                func(j *durable.Job) { j.Priority = 9 },
	} {
		j := job("task")
		change(&j)
		if _, err := e.Enqueue(t.Context(), j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	for _, w := range []durable.Worker{{Limit: 1}, {Do: succeed}} {
		if _, err := e.Work(t.Context(), w); err == nil {
			t.Errorf("%+v was accepted", w)
		}
	}
}

// TestDoEndsItsGoroutine: a test may call t.FailNow in a task. Its job must not hold up
// the end.
func TestDoEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := durabletest.NewEngine()
		s := work(t, e, func(context.Context, durable.Delivery) durable.Outcome {
			runtime.Goexit()
			panic("unreachable")
		})
		enqueue(t, e, job("task"))
		idle(t, e)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if j := only(t, e); j.Status != durabletest.StatusAvailable || j.Attempt != 1 {
			t.Errorf("the job is %+v", j)
		}
	})
}
