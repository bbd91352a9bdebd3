package postlude_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// TestCanceledInItsFallback: by shutdown, that is; it is canceled, in the report, and
// nobody's pager rings for a deployment.
func TestCanceledInItsFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(notifier)
		h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.Escalate(n))}})
		slow := postlude.Define("slow", func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() })
		run := admitted(t)(postlude.Go(h.Context(), failingTask.Fallback(slow).With(1)))
		synctest.Wait()
		r, err := h.Runtime().Shutdown(context.Background())
		if err != nil || r.Canceled != 1 || states(r)["failing"] != "canceled" || len(n.told) != 0 || !errors.Is(run.Err(), errBoom) {
			t.Errorf("%+v, %v, told %d, %v", r, err, len(n.told), run.Err())
		}
	})
}

// TestEscalateWhereverItStands: before or after the handler that falls back, it tells of
// a fallback that failed.
func TestEscalateWhereverItStands(t *testing.T) {
	fallback := verdict("fallback", postlude.FallbackTo(failingTask.With(1)), new(tracer))
	for _, first := range []bool{true, false} {
		n := new(notifier)
		handlers := []postlude.ErrorHandler{postlude.Escalate(n), fallback}
		if !first {
			slices.Reverse(handlers)
		}
		h := postludetest.New(t, postlude.Config{})
		settle(t, h, postlude.Func("job", failing), postlude.OnError(handlers...))
		if len(n.told) != 1 || !n.told[0].History[1].Fallback {
			t.Errorf("Escalate first: %v: told %d", first, len(n.told))
		}
	}
}

// TestShieldedPastTheDeadline: the retry that it asks for will not come; that is told.
func TestShieldedPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(notifier)
		h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.Retry{Max: 3}, postlude.Escalate(n))}})
		run := admitted(t)(postlude.Go(h.Context(), postlude.Func("job", func(context.Context) error {
			time.Sleep(time.Minute)
			return errBoom
		}), shield))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, _ = h.Runtime().Shutdown(ctx)
		<-run.Done()
		if len(n.told) != 1 || len(h.Records(taskconv.EventRetrying)) != 0 || h.Metric(taskconv.MetricRetries) != 0 {
			t.Errorf("told %d, records %v", len(n.told), h.Records(""))
		}
	})
}

// TestLateAnswersCostNothing: neither work nor budget.
func TestLateAnswersCostNothing(t *testing.T) {
	h := postludetest.New(t, postlude.Config{RetryBudget: postlude.RetryBudget{Floor: 1}})
	late := &decider{verdict: postlude.RetryAfter(0)}
	for range 3 {
		settle(t, h, postlude.Func("job", failing), onError(postlude.Handled), postlude.OnError(late))
	}
	settle(t, h, postlude.Func("job", failing), postlude.OnError(postlude.Retry{Max: 1, Base: 1}))
	if n := h.Metric(taskconv.MetricRetries); n != 1 {
		t.Errorf("%v retries", n)
	}
	for _, r := range h.Records(taskconv.EventFailed) {
		if r["task.retry.refused"] != nil {
			t.Errorf("%v", r)
		}
	}
}

// TestSuppressedAreNotForgotten when the page that was to tell of them fails.
func TestSuppressedAreNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(notifier)
		h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.Escalate(n))}})
		for range 10 {
			settle(t, h, failingTask.With(1))
		}
		time.Sleep(postlude.DefaultEscalationWindow)
		n.err = errBoom
		settle(t, h, failingTask.With(1)) // can't tell of the nine
		n.err = nil
		settle(t, h, failingTask.With(1))
		if last := n.told[len(n.told)-1]; len(n.told) != 3 || last.Suppressed != 10 {
			t.Errorf("told %d times, last of %d suppressed", len(n.told), last.Suppressed)
		}
	})
}

// TestTrustIsLost: a handler that has returned once, and then blocks, is called three
// times more; and again when it has returned.
func TestTrustIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int32
		h := postludetest.New(t, postlude.Config{Workers: 1, Defaults: []postlude.Option{postlude.OnError(
			postlude.HandlerFunc("moody", func(context.Context, *postlude.Failure) postlude.Verdict {
				if n := calls.Add(1); n > 1 && n < 5 {
					<-release
				}
				return postlude.Handled
			}))}})
		for range 20 {
			settle(t, h, failingTask.With(1))
		}
		if n := calls.Load(); n != 4 {
			t.Errorf("called %d times", n)
		}
		close(release)
		synctest.Wait()
		settle(t, h, failingTask.With(1))
		if n := calls.Load(); n != 5 {
			t.Errorf("called %d times after it returned", n)
		}
	})
}

// patient is a handler of the user's that embeds one of ours.
type patient struct {
	postlude.Retry
	slow time.Duration
}

func (p patient) OnEnding(s sdktrace.ReadWriteSpan) {
	time.Sleep(p.slow)
	p.Retry.OnEnding(s)
}

// TestEmbeddedRetry is the user's code, and contained as such.
func TestEmbeddedRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		start := time.Now()
		settle(t, h, postlude.Func("job", failing), postlude.OnError(patient{postlude.Retry{Max: 1}, time.Hour}, &postlude.Retry{Max: 1, Base: sec}))
		if took := time.Since(start); took > time.Minute || len(h.Spans("run job")) != 2 {
			t.Errorf("took %v, %d attempts", took, len(h.Spans("run job")))
		}
		if s := h.Spans("run job")[0]; attrOf(s, "task.max_attempts").AsInt64() != 2 {
			t.Errorf("%v", s.Attributes())
		}
		time.Sleep(2 * time.Hour)
	})
}

// TestFlushWhileSpansEnd: a provider may flush at any time; and the escalate span is in
// the provider's own trace.
func TestFlushWhileSpansEnd(t *testing.T) {
	var n atomic.Int32
	recorder := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSpanProcessor(postlude.Escalate(counting{&n})))
	done := make(chan struct{})
	for range 2 {
		go func() {
			for range 200 {
				_ = tp.ForceFlush(context.Background())
			}
			done <- struct{}{}
		}()
	}
	for i := range 200 {
		_, s := tp.Tracer("server").Start(context.Background(), "GET /"+string(rune('a'+i)), trace.WithSpanKind(trace.SpanKindServer))
		s.SetStatus(codes.Error, "")
		s.End()
	}
	<-done
	<-done
	if err := tp.ForceFlush(context.Background()); err != nil {
		t.Error(err)
	}
	escalated := 0
	for _, s := range recorder.Ended() {
		if s.SpanKind() == trace.SpanKindInternal && s.Parent().IsValid() {
			escalated++
		}
	}
	if escalated == 0 || escalated != int(n.Load()) {
		t.Errorf("%d escalate spans, %d notifications", escalated, n.Load())
	}
	_ = tp.Shutdown(context.Background())
}

type counting struct{ n *atomic.Int32 }

func (c counting) Notify(context.Context, *postlude.Failure) error { c.n.Add(1); return nil }

// TestKeptFailureIsNotWritten: who keeps a Failure from OnEnd may read it at any time.
func TestKeptFailureIsNotWritten(t *testing.T) {
	read := make(chan struct{})
	p := ender(func(s sdktrace.ReadOnlySpan) {
		if f, ok := postlude.FailureOf(s); ok {
			go func() {
				defer close(read)
				_, _, _ = f.Err, f.History, f.Suppressed
			}()
		}
	})
	h := postludetest.New(t, postlude.Config{})
	settle(t, h, failingTask.Fallback(failingTask).With(1), postlude.OnError(postlude.Processor(p), postlude.Escalate(new(notifier))))
	<-read
}
