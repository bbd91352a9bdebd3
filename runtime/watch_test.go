package postlude_test

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// moody is a handler that returns at first, so that it is trusted, and then does as told.
func moody(then func(*postlude.Failure) postlude.Verdict) postlude.ErrorHandler {
	calm := true
	return postlude.HandlerFunc("moody", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		if calm {
			calm = false
			return postlude.Pass
		}
		return then(f)
	})
}

// TestTrustedHandlersAreContained, too, though the worker's own goroutine calls them: what
// they do to it, the next handler decides, and the worker goes on.
func TestTrustedHandlersAreContained(t *testing.T) {
	release := make(chan struct{})
	for name, c := range map[string]struct {
		then    func(*postlude.Failure) postlude.Verdict
		blocked []string
	}{
		"panics": {then: func(*postlude.Failure) postlude.Verdict { panic("handler") }},
		"exits":  {then: func(*postlude.Failure) postlude.Verdict { runtime.Goexit(); return postlude.Drop }},
		"blocks": {
			then:    func(f *postlude.Failure) postlude.Verdict { <-release; f.Decide(postlude.Drop); return postlude.Drop },
			blocked: []string{"moody"},
		},
		"blocks and panics": {
			then:    func(*postlude.Failure) postlude.Verdict { <-release; panic("handler") },
			blocked: []string{"moody"},
		},
		"blocks and exits": {
			then:    func(*postlude.Failure) postlude.Verdict { <-release; runtime.Goexit(); return postlude.Drop },
			blocked: []string{"moody"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release = make(chan struct{})
				h := postludetest.New(t, postlude.Config{
					Workers: 1, HandlerTimeout: time.Second,
					Defaults: []postlude.Option{postlude.OnError(moody(c.then), verdict("last", postlude.Handled, new(tracer)))},
				})
				for range 3 {
					settle(t, h, failingTask.With(1))
					settle(t, h, okTask.With(1))
				}
				for _, s := range h.Spans("run failing") {
					if attrOf(s, "task.verdict.handler").AsString() != "last" || s.EndTime() != s.StartTime() {
						t.Errorf("%v, took %v", s.Attributes(), s.EndTime().Sub(s.StartTime()))
					}
				}
				if n := h.Metric(taskconv.MetricHandlerErrors); n != 2 || len(h.Records(taskconv.EventHandlerFailed)) != 2 {
					t.Errorf("%v handler errors, records %v", n, h.Records(taskconv.EventHandlerFailed))
				}
				if s := h.Runtime().Snapshot(); s.Workers != 1 || !slices.Equal(s.Blocked, c.blocked) {
					t.Errorf("%d workers, blocked: %v", s.Workers, s.Blocked)
				}
				close(release)
				synctest.Wait()
				settle(t, h, okTask.With(1))
				r, err := h.Runtime().Shutdown(context.Background())
				if err != nil || len(r.Blocked) != 0 || r.Counts != (postlude.Counts{Scheduled: 7, Succeeded: 4, Failed: 3}) {
					t.Errorf("%+v, %v", r, err)
				}
			})
		})
	}
}

// TestHandlerReturnsAtTheLimit: of a handler that returns when its time is over, one thing
// is true: it decided, or it was passed over.
func TestHandlerReturnsAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		var decided, passed atomic.Int32
		h := postludetest.New(t, postlude.Config{Workers: 10, HandlerTimeout: time.Second, Defaults: []postlude.Option{postlude.OnError(
			postlude.HandlerFunc("slow", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
				if i, _ := postlude.ArgsOf[int](f); i > 0 {
					time.Sleep(time.Second)
				}
				return postlude.Drop
			}),
			verdict("last", postlude.Handled, new(tracer)))}})
		settle(t, h, failingTask.With(0))
		for i := range n {
			admitted(t)(postlude.Go(h.Context(), failingTask.With(i+1)))
		}
		h.Settle()
		for _, s := range h.Spans("run failing") {
			switch attrOf(s, "task.verdict.handler").AsString() {
			case "slow":
				decided.Add(1)
			case "last":
				passed.Add(1)
			}
		}
		c := h.Runtime().Snapshot().Counts
		if decided.Load()+passed.Load() != n+1 || c.Dropped != int(decided.Load()) || c.Failed != int(passed.Load()) {
			t.Errorf("%d decided, %d passed over: %+v", decided.Load(), passed.Load(), c)
		}
		if errors := h.Metric(taskconv.MetricHandlerErrors); errors != float64(passed.Load()) {
			t.Errorf("%v handler errors, %d passed over", errors, passed.Load())
		}
		synctest.Wait() // until those that were passed over have noticed
		if r, err := h.Runtime().Shutdown(context.Background()); err != nil || len(r.Blocked) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestTrustedStorm: under load, handlers that are trusted block, panic and exit, and return
// when nobody waits any more. Each task ends once, and no worker is lost.
func TestTrustedStorm(t *testing.T) {
	const n = 1_000
	var ended atomic.Int32
	var calls atomic.Int64
	var release atomic.Pointer[chan struct{}]
	renew := func() (old *chan struct{}) { gate := make(chan struct{}); return release.Swap(&gate) }
	renew()
	h := postludetest.New(t, postlude.Config{
		Workers: 32, HandlerTimeout: 100 * time.Millisecond,
		Defaults: []postlude.Option{postlude.OnError(
			postlude.HandlerFunc("moody", func(context.Context, *postlude.Failure) postlude.Verdict {
				switch calls.Add(1) % 100 {
				case 97:
					panic("handler")
				case 98:
					runtime.Goexit()
				case 99:
					<-*release.Load()
				}
				return postlude.Drop
			}),
			verdict("last", postlude.Handled, new(tracer)))},
	})
	task := postlude.Define("job", func(context.Context, int) error { ended.Add(1); return errBoom })
	for i := range n {
		if i%200 == 0 {
			close(*renew())
		}
		admitted(t)(postlude.Go(h.Context(), task.With(i)))
		if i%100 == 0 {
			h.Settle()
		}
	}
	h.Settle()
	close(*renew())
	waitUntil(t, func() bool { return len(h.Runtime().Snapshot().Blocked) == 0 })
	c := h.Runtime().Snapshot().Counts
	if c.Dropped+c.Failed != n || c.Failed == 0 || c.Scheduled != n || ended.Load() != n {
		t.Errorf("%+v, %d calls", c, ended.Load())
	}
	if w := h.Runtime().Snapshot().Workers; w > 32 {
		t.Errorf("%d workers", w)
	}
}
