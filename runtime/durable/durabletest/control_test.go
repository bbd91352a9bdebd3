package durabletest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

func TestCancelWhatWaits(t *testing.T) {
	e := durabletest.NewEngine()
	id := enqueue(t, e, job("task", durable.Unique("key")))
	if !e.Cancel(id) || e.Cancel(id) || e.Cancel("unknown") {
		t.Error("the first Cancel should find the job, and the others nothing")
	}
	if j := only(t, e); j.Status != durabletest.StatusCanceled {
		t.Errorf("the job is %s", j.Status)
	}
	enqueue(t, e, job("task", durable.Unique("key"))) // its key is free
	later := enqueue(t, e, job("task", durable.At(time.Now().Add(time.Hour))))
	if !e.Cancel(later) || e.Pending() != 1 {
		t.Errorf("%d jobs are pending, want 1", e.Pending())
	}
}

func TestCancelWhatRuns(t *testing.T) {
	for _, c := range []struct {
		action durable.Action
		want   durabletest.Status
	}{
		{durable.Done, durabletest.StatusDone},
		{durable.Retry, durabletest.StatusCanceled},
		{durable.Fail, durabletest.StatusCanceled},
		{durable.Requeue, durabletest.StatusCanceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := durabletest.NewEngine()
			var cause error
			s := work(t, e, func(ctx context.Context, _ durable.Delivery) durable.Outcome {
				<-ctx.Done()
				cause = durable.Cause(ctx)
				return durable.Outcome{Action: c.action}
			})
			id := enqueue(t, e, job("task"))
			synctest.Wait()
			if !e.Cancel(id) {
				t.Error("Cancel did not find the job")
			}
			idle(t, e)
			if !errors.Is(cause, durable.ErrCanceled) {
				t.Errorf("the cause is %v", cause)
			}
			if got := only(t, e).Status; got != c.want {
				t.Errorf("after the Action %d the job is %s, want %s", c.action, got, c.want)
			}
			if err := s.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := durabletest.NewEngine()
		end := make(chan struct{})
		dead := work(t, e, func(context.Context, durable.Delivery) durable.Outcome {
			<-end
			return durable.Outcome{Action: durable.Fail, Error: "too late"}
		})
		enqueue(t, e, job("task"))
		synctest.Wait()
		e.Crash(dead)
		if j := only(t, e); j.Status != durabletest.StatusAvailable || j.Attempt != 1 {
			t.Errorf("after the crash the job is %+v", j)
		}
		var attempts []int
		next := work(t, e, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			attempts = append(attempts, d.Attempt)
			return succeed(ctx, d)
		})
		idle(t, e)
		close(end)
		for _, s := range []durable.Session{dead, next} { // of the dead one, it waits for Do
			if err := s.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if j := only(t, e); j.Status != durabletest.StatusDone || j.Error != "" || len(attempts) != 1 || attempts[0] != 2 {
			t.Errorf("the attempts %v were made, and the job is %+v", attempts, j)
		}
	})
}

func TestLose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := durabletest.NewEngine()
		var causes []error
		s := work(t, e, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			if d.Attempt == 1 {
				<-ctx.Done()
				causes = append(causes, durable.Cause(ctx))
				return durable.Outcome{Action: durable.Fail}
			}
			return succeed(ctx, d)
		})
		enqueue(t, e, job("task"))
		synctest.Wait()
		e.Lose(s)
		idle(t, e)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if len(causes) != 1 || !errors.Is(causes[0], durable.ErrLost) {
			t.Errorf("the causes are %v", causes)
		}
		if j := only(t, e); j.Status != durabletest.StatusDone || j.Attempt != 2 {
			t.Errorf("the job is %+v", j)
		}
	})
}

func TestCancelOutlivesTheCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := durabletest.NewEngine()
		end := make(chan struct{})
		s := work(t, e, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			<-end
			return succeed(ctx, d)
		})
		id := enqueue(t, e, job("task"))
		synctest.Wait()
		e.Cancel(id)
		e.Crash(s)
		if got := only(t, e).Status; got != durabletest.StatusCanceled {
			t.Errorf("the job is %s", got)
		}
		close(end)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestStorm does everything at once. The race detector looks on, and every job must end.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := durabletest.NewEngine()
		begin := func() durable.Session {
			return work(t, e, func(ctx context.Context, _ durable.Delivery) durable.Outcome {
				select {
				case <-time.After(rand.N(time.Millisecond)):
				case <-ctx.Done():
				}
				return durable.Outcome{Action: durable.Action(rand.N(5)), Delay: rand.N(time.Second), State: []byte(`{}`)}
			})
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { enqueueAll(t, e, 100) })
			all.Go(func() {
				for range 20 {
					s := begin()
					time.Sleep(rand.N(100 * time.Millisecond))
					switch rand.N(4) {
					case 0:
						e.Crash(s)
					case 1:
						e.Lose(s)
					case 2:
						e.Cancel(fmt.Sprint(1 + rand.N(800)))
					}
					if err := s.Stop(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
			all.Go(func() { look(t, e) })
		}
		all.Wait()
		s := begin()
		idle(t, e)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if n := e.Pending(); n != 0 || len(e.Jobs()) != 800 {
			t.Errorf("%d of %d jobs are pending", n, len(e.Jobs()))
		}
	})
}

func enqueueAll(t *testing.T, e *durabletest.Engine, n int) {
	for i := range n {
		tx := e.Begin()
		if _, err := e.Enqueue(durable.WithTx(t.Context(), tx), job("task", durable.Priority(1+i%4))); err != nil {
			t.Error(err)
		}
		time.Sleep(rand.N(time.Millisecond))
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
	}
}

func look(t *testing.T, e *durabletest.Engine) {
	for range 20 {
		time.Sleep(rand.N(100 * time.Millisecond))
		e.Jobs()
		if _, err := e.Queues(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := e.DeadLetters(t.Context(), durable.Query{}); err != nil {
			t.Error(err)
		}
	}
}
