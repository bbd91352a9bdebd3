package postlude_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/postludetest"
)

// asked counts who wants to know what it says.
type asked struct{ n *atomic.Int32 }

func (e asked) Error() string { e.n.Add(1); return "asked" }

// TestSnapshotAsksNoErrors: their methods are user code, which may block, or not be safe
// for a goroutine other than the task's.
func TestSnapshotAsksNoErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, n := postludetest.New(t, postlude.Config{}), new(atomic.Int32)
		run := settledAfter(t, time.Second)(postlude.Go(h.Context(), postlude.Func("job", func(context.Context) error { return asked{n} }),
			postlude.OnError(postlude.Retry{Max: 1, Base: time.Minute})))
		before := n.Load()
		if s := h.Runtime().Snapshot(); len(s.Backoff) != 1 || s.Backoff[0].Message != "asked" || n.Load() != before {
			t.Errorf("%+v, asked %d times", s.Backoff, n.Load()-before)
		}
		run.Cancel()
	})
}

// TestSnapshotOfUnqueued: a task that waits for another try to be enqueued is shown as one
// that waits.
func TestSnapshotOfUnqueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := billing(nothing)
		h := postludetest.New(t, postlude.Config{Engine: &refusing{durabletest.NewEngine()}, EnqueueOnly: true})
		h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterResponse(r.Context(), task.With(bill{})))
		}), httptest.NewRequest("GET", "/", http.NoBody))
		synctest.Wait()
		s := h.Runtime().Snapshot()
		if len(s.Backoff) != 1 || s.Backoff[0].State != postlude.StateRetrying || s.Backoff[0].Message == "" || s.Backoff[0].Due.IsZero() {
			t.Errorf("%+v", s.Backoff)
		}
	})
}

// refusing is an engine whose database is away.
type refusing struct{ *durabletest.Engine }

func (*refusing) Enqueue(context.Context, durable.Job) (durable.Receipt, error) {
	return durable.Receipt{}, errors.New("database is away")
}

// TestBusySince: after the enqueueing of a durable task, a worker's next task runs since it
// was taken, and not since before.
func TestBusySince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &slowly{durabletest.NewEngine()}
		h := postludetest.New(t, postlude.Config{Workers: 1, Engine: e, EnqueueOnly: true})
		time.Sleep(time.Second)
		h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterResponse(r.Context(), billing(nothing).With(bill{})))
		}), httptest.NewRequest("GET", "/", http.NoBody))
		synctest.Wait()
		accepted(t)(postlude.Go(h.Context(), sleeper("slow", time.Minute)))
		time.Sleep(4 * time.Second)
		if s := h.Runtime().Snapshot(); len(s.Busy) != 1 || s.Time.Sub(s.Busy[0].Since) != time.Second {
			t.Errorf("at %v: %+v", s.Time, s.Busy)
		}
	})
}

// slowly takes three seconds to enqueue.
type slowly struct{ *durabletest.Engine }

func (e *slowly) Enqueue(ctx context.Context, j durable.Job) (durable.Receipt, error) {
	time.Sleep(3 * time.Second)
	return e.Engine.Enqueue(ctx, j)
}

// TestBackoffBehindDelays: delayed tasks, however many, don't hide those that wait for a retry.
func TestBackoffBehindDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := bare(t, postlude.Config{Queue: 2000})
		ctx := rt.Context(context.Background())
		for range 1000 {
			accepted(t)(postlude.Go(ctx, postlude.Func("delayed", failing), postlude.Delay(10*time.Second)))
		}
		accepted(t)(postlude.Go(ctx, postlude.Func("retried", failing), postlude.OnError(postlude.Retry{Max: 1, Base: time.Minute})))
		synctest.Wait()
		if s := rt.Snapshot(); len(s.Backoff) != 1 || s.Backoff[0].Name != "retried" {
			t.Errorf("%d are retrying, and shown: %+v", s.Retrying, s.Backoff)
		}
		if err := rt.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}
