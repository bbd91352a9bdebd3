package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// wrapErr is an error whose Unwrap fails for a nil pointer: a typed nil in an error
// interface, which happens.
type wrapErr struct{ cause error }

func (e *wrapErr) Error() string { return "wrap: " + e.cause.Error() }
func (e *wrapErr) Unwrap() error { return e.cause }

// TestErrorsWhoseMethodsPanic: wherever user code hands us one.
func TestErrorsWhoseMethodsPanic(t *testing.T) {
	bad := (*wrapErr)(nil)
	h := postludetest.New(t, postlude.Config{})
	settle(t, h, postlude.Func("job", func(context.Context) error { return bad }),
		postlude.OnError(
			postlude.For[*net.OpError](postlude.Retry{Max: 1}),
			postlude.HandlerFunc("panics", func(context.Context, *postlude.Failure) postlude.Verdict { panic(bad) }),
			postlude.HandlerFunc("works", func(context.Context, *postlude.Failure) postlude.Verdict {
				return postlude.Pass.Then(func(context.Context) error { return bad })
			}),
			postlude.Escalate(&notifier{err: bad})))
	settle(t, h, postlude.Func("job", func(context.Context) error { panic(bad) }))
	if c := h.Runtime().Snapshot().Counts; c != (postlude.Counts{Scheduled: 2, Failed: 2}) || len(h.Records(taskconv.EventFailed)) != 2 {
		t.Errorf("%+v, %v", c, h.Records(taskconv.EventFailed))
	}
}

// TestInvalidUTF8: one such string would have a whole batch of spans refused by OTLP.
func TestInvalidUTF8(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	settle(t, h, postlude.Func("job", func(context.Context) error { return errors.New("bad \xff\xfe") }))
	s := h.Spans("run job")[0]
	if !utf8.ValidString(s.Status().Description) || !utf8.ValidString(attributeText(s)) {
		t.Errorf("%q", s.Status().Description)
	}
	if _, err := postlude.Go(h.Context(), postlude.Func("job \xff", failing)); !errors.Is(err, postlude.ErrInvalidTask) {
		t.Error(err)
	}
}

func attributeText(s sdktrace.ReadOnlySpan) string {
	text := fmt.Sprint(s.Attributes())
	for _, e := range s.Events() {
		for _, kv := range e.Attributes {
			text += kv.Value.String()
		}
	}
	return text
}

// TestRetryAfterTheDeadline: a shielded task that runs past the shutdown's deadline and
// fails is not retried, as nobody would run it, and ends.
func TestRetryAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		run := admitted(t)(postlude.Go(h.Context(), postlude.Func("job", func(context.Context) error {
			time.Sleep(time.Minute)
			return errBoom
		}), shield, postlude.OnError(postlude.Retry{Max: 5})))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := h.Runtime().Shutdown(ctx); err == nil {
			t.Error("no error")
		}
		<-run.Done()
		if !errors.Is(run.Err(), errBoom) || len(h.Records(taskconv.EventFailed)) != 1 {
			t.Errorf("%v", run.Err())
		}
	})
}

// TestSecondShutdownForces: a call with a shorter context ends the wait of the first.
func TestSecondShutdownForces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		admitted(t)(postlude.Go(h.Context(), okTask.With(1), postlude.Delay(time.Hour), shield))
		first := make(chan postlude.Report)
		go func() {
			r, _ := h.Runtime().Shutdown(context.Background())
			first <- r
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r, err := h.Runtime().Shutdown(ctx)
		if err == nil || r.Dropped != 1 || states(r)["ok"] != "dropped" {
			t.Errorf("%+v, %v", r, err)
		}
		if r := <-first; r.Dropped != 1 || r.Elapsed != time.Second {
			t.Errorf("%+v", r)
		}
	})
}

// TestFlushThatBlocks: shutdown keeps to its context.
func TestFlushThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.Processor(blocker{release: release}))}})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := h.Runtime().Shutdown(ctx); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		close(release)
	})
}

type blocker struct {
	release chan struct{}
}

func (blocker) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (blocker) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (blocker) Shutdown(context.Context) error                  { return nil }

func (b blocker) ForceFlush(context.Context) error {
	<-b.release
	return nil
}

// TestHandlersHaveTimeEach: one that blocked leaves the next its own.
func TestHandlersHaveTimeEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := postludetest.New(t, postlude.Config{})
		var err error
		settle(t, h, postlude.Func("job", failing), postlude.OnError(
			postlude.HandlerFunc("blocks", func(context.Context, *postlude.Failure) postlude.Verdict { <-release; return postlude.Pass }),
			postlude.HandlerFunc("looks", func(ctx context.Context, _ *postlude.Failure) postlude.Verdict { err = ctx.Err(); return postlude.Pass })))
		close(release)
		synctest.Wait()
		if err != nil {
			t.Error(err)
		}
		if r, _ := h.Runtime().Shutdown(context.Background()); len(r.Blocked) != 0 {
			t.Errorf("it has returned, and is reported: %v", r.Blocked)
		}
	})
}

// TestHugeDelays don't overflow into none.
func TestHugeDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		admitted(t)(postlude.Go(h.Context(), okTask.With(1), postlude.Delay(math.MaxInt64)))
		retried := admitted(t)(postlude.Go(h.Context(), postlude.Func("job", failing), onError(postlude.RetryAfter(math.MaxInt64))))
		time.Sleep(time.Hour)
		r, err := h.Runtime().Shutdown(context.Background())
		if err != nil || r.Dropped != 2 || len(h.Spans("run job")) != 1 {
			t.Errorf("%+v, %v", r.Counts, err)
		}
		if !errors.Is(retried.Err(), errBoom) || !errors.Is(retried.Err(), postlude.ErrShuttingDown) {
			t.Errorf("the error of a task that was dropped before its retry: %v", retried.Err())
		}
	})
}

// TestWorkThatBlocks: a notifier or work that does not heed its context frees its worker,
// is not called again meanwhile, and is reported.
func TestWorkThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := postludetest.New(t, postlude.Config{Workers: 1, EscalationWindow: -1, WorkTimeout: time.Second})
		opt := postlude.OnError(
			postlude.HandlerFunc("works", func(context.Context, *postlude.Failure) postlude.Verdict {
				return postlude.Pass.Then(func(context.Context) error { <-release; return nil })
			}),
			postlude.Escalate(&slowNotifier{release: release}))
		task := postlude.Define("job", func(context.Context, int) error { return errBoom }, opt)
		start := time.Now()
		for i := range 10 {
			admitted(t)(postlude.Go(h.Context(), task.With(i)))
		}
		settle(t, h, okTask.With(1))
		if took := time.Since(start); took != 4*time.Second { // two calls, each with a second and its slack
			t.Errorf("ten failures took %v", took)
		}
		r, err := h.Runtime().Shutdown(context.Background())
		if want := []string{"Escalate", "works"}; err != nil || !slices.Equal(r.Blocked, want) || r.Failed != 10 || r.Succeeded != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		close(release)
	})
}

// TestGoexitInArgs: a task whose arguments end the goroutine that shows them still has
// one final record, one ended span, and metrics that come back to zero.
func TestGoexitInArgs(t *testing.T) {
	h := postludetest.New(t, postlude.Config{Workers: 1})
	task := postlude.Define("job", func(context.Context, exits) error { return nil })
	done := make(chan struct{})
	go func() { // scheduling shows them, too, at debug level
		defer close(done)
		_, _ = postlude.Go(h.Context(), task.With(exits{slog.DiscardHandler}))
	}()
	<-done
	h.Settle()
	if n := len(h.Records(taskconv.EventSucceeded)) + len(h.Records(taskconv.EventFailed)); n != 1 || len(h.Spans("run job")) != 1 {
		t.Errorf("%d final records, %d spans", n, len(h.Spans("run job")))
	}
	if h.Metric(taskconv.MetricActive) != 0 || h.Metric(taskconv.MetricAttempts) != 1 {
		t.Errorf("%v active, %v attempts", h.Metric(taskconv.MetricActive), h.Metric(taskconv.MetricAttempts))
	}
}

// TestCanceledByNobody: a context.Canceled that no cancellation of the task explains is a
// mistake (the request's context in a closure, mostly), and an error.
func TestCanceledByNobody(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	settle(t, h, postlude.Func("job", func(context.Context) error { return fmt.Errorf("call: %w", context.Canceled) }))
	r := h.Records(taskconv.EventFailed)
	if c := h.Runtime().Snapshot().Counts; c.Failed != 1 || r[0]["level"] != "ERROR" || r[0]["task.outcome"] != "canceled" {
		t.Errorf("%+v, %v", c, r)
	}
}

// TestWorkOfTheLoser: an answer that came after the decision is ignored, with its work.
func TestWorkOfTheLoser(t *testing.T) {
	ran := false
	h := postludetest.New(t, postlude.Config{})
	settle(t, h, postlude.Func("job", failing), onError(postlude.Handled),
		postlude.OnError(&decider{verdict: postlude.Drop.Then(func(context.Context) error { ran = true; return nil })}))
	if c := h.Runtime().Snapshot().Counts; ran || c.Failed != 1 {
		t.Errorf("ran: %v, %+v", ran, c)
	}
}

// TestRunKeepsNothing: who keeps a Run does not keep the arguments and the request.
func TestRunKeepsNothing(t *testing.T) {
	type big struct{ _ [1 << 20]byte }
	freed := make(chan struct{})
	h := postludetest.New(t, postlude.Config{Logger: slog.New(slog.DiscardHandler)})
	task := postlude.Define("job", func(context.Context, *big) error { return nil })
	run := func() postlude.Run {
		b := new(big)
		runtime.AddCleanup(b, func(c chan struct{}) { close(c) }, freed)
		return admitted(t)(postlude.Go(h.Context(), task.With(b)))
	}()
	h.Settle()
	settle(t, h, okTask.With(1))
	waitUntil(t, func() bool {
		runtime.GC()
		select {
		case <-freed:
			return true
		default:
			return false
		}
	})
	if run.Err() != nil || run.ID() == "" {
		t.Error(run.Err())
	}
}

// TestReservedAttributes would contradict the runtime's own.
func TestReservedAttributes(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	for _, key := range []string{"task.id", "error.type", "exception.message", "trace_id", "msg"} {
		if _, err := postlude.Go(h.Context(), okTask.With(1), postlude.Attributes(stringAttr(key))); !errors.Is(err, postlude.ErrInvalidTask) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestAttachThatIsOverwritten: who sets ConnState after Attach gets the tasks run all the
// same, by the request's context.
func TestAttachThatIsOverwritten(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	run := make(chan postlude.Run, 1)
	ts := httptest.NewUnstartedServer(h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		run <- admitted(t)(postlude.AfterResponse(r.Context(), okTask.With(1)))
	})))
	h.Runtime().Attach(ts.Config)
	ts.Config.ConnState = nil
	ts.Start()
	defer ts.Close()
	res, err := ts.Client().Get(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	<-(<-run).Done()
}

// TestMiddlewareEnteredAfterTheAnswer: http.TimeoutHandler has answered before a slow
// handler reaches the middleware.
func TestMiddlewareEnteredAfterTheAnswer(t *testing.T) {
	for _, keepAlive := range []bool{true, false} {
		h := postludetest.New(t, postlude.Config{})
		run, answered := make(chan postlude.Run, 1), make(chan struct{})
		inner := h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			run <- admitted(t)(postlude.AfterResponse(r.Context(), okTask.With(1)))
		}))
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-answered
			inner.ServeHTTP(w, r)
		})
		ts := httptest.NewUnstartedServer(http.TimeoutHandler(slow, time.Nanosecond, "late"))
		h.Runtime().Attach(ts.Config)
		ts.Config.SetKeepAlivesEnabled(keepAlive)
		ts.Start()
		res, err := ts.Client().Get(ts.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		close(answered)
		<-(<-run).Done()
		ts.Close()
	}
}
