package postlude_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// notifier remembers what it was told.
type notifier struct {
	told []*postlude.Failure
	err  error
}

func (n *notifier) Notify(_ context.Context, f *postlude.Failure) error {
	n.told = append(n.told, f)
	return n.err
}

func onError(v postlude.Verdict) postlude.Option {
	return postlude.OnError(verdict("handler", v, new(tracer)))
}

// TestFallback: the fallback runs in the task's slot, in a span below the attempt's; if
// it succeeds the task does, else both errors count.
func TestFallback(t *testing.T) {
	for name, fallback := range map[string]func(context.Context) error{
		"rescued": func(context.Context) error { return nil },
		"failed":  func(context.Context) error { return context.DeadlineExceeded },
		"panics":  func(context.Context) error { panic("fallback") },
		"exits":   func(context.Context) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			h := postludetest.New(t, postlude.Config{Workers: 1, Queue: 1})
			run := settle(t, h, postlude.Func("job", failing), onError(postlude.FallbackTo(postlude.Func("other", fallback))))
			attempt, spans := h.Spans("run job")[0], h.Spans("fallback job")
			if len(spans) != 1 || spans[0].Parent().SpanID() != attempt.SpanContext().SpanID() {
				t.Fatalf("fallback spans: %v", spans)
			}
			counts := h.Runtime().Snapshot().Counts
			if name == "rescued" {
				if run.Err() != nil || counts.Succeeded != 1 || len(h.Records(taskconv.EventSucceeded)) != 1 {
					t.Errorf("%v, %+v", run.Err(), counts)
				}
				return
			}
			if !errors.Is(run.Err(), errBoom) || counts.Failed != 1 || len(h.Records(taskconv.EventFailed)) != 1 {
				t.Errorf("%v, %+v", run.Err(), counts)
			}
		})
	}
}

// TestFallbackTimeout: the fallback has its own definition's Timeout.
func TestFallbackTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		slow := postlude.Define("slow", func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() },
			postlude.Timeout(time.Minute))
		start := time.Now()
		run := settle(t, h, postlude.Func("job", failing), onError(postlude.FallbackTo(slow.With(1))))
		if !errors.Is(run.Err(), context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", run.Err(), time.Since(start))
		}
	})
}

// TestUnusableFallback: a verdict that can't be carried out is reported, and the next
// handler is asked.
func TestUnusableFallback(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	settle(t, h, postlude.Func("job", failing), onError(postlude.FallbackTo(postlude.Job{})), onError(postlude.Handled))
	if n := len(h.Records(taskconv.EventHandlerFailed)); n != 1 {
		t.Errorf("%d reports", n)
	}
	if r := h.Records(taskconv.EventFailed); len(r) != 1 || r[0]["task.verdict"] != "handled" {
		t.Errorf("%v", r)
	}
}

// TestEscalateTo: all notifiers are told, though one fails; and since somebody was told,
// the next failure of the kind is suppressed.
func TestEscalateTo(t *testing.T) {
	broken, good := &notifier{err: errors.New("503")}, &notifier{}
	h := postludetest.New(t, postlude.Config{})
	for range 2 {
		settle(t, h, postlude.Func("job", failing), onError(postlude.EscalateTo(broken, good)))
	}
	if len(broken.told) != 1 || len(good.told) != 1 || good.told[0].Err != errBoom {
		t.Errorf("told %v, %v", broken.told, good.told)
	}
	if len(h.Spans("escalate job")) != 1 || h.Metric(taskconv.MetricEscalations) != 1 || len(h.Records(taskconv.EventHandlerFailed)) != 1 {
		t.Errorf("records: %v", h.Records(""))
	}
	if len(h.Records(taskconv.EventEscalated)) != 1 || len(h.Records(taskconv.EventFailed)) != 2 {
		t.Errorf("records: %v", h.Records(""))
	}
}

// TestDrop: the task counts as dropped, with the reason.
func TestDrop(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	run := settle(t, h, postlude.Func("job", failing), onError(postlude.Drop))
	if c := h.Runtime().Snapshot().Counts; c != (postlude.Counts{Scheduled: 1, Dropped: 1}) || !errors.Is(run.Err(), errBoom) {
		t.Errorf("%+v, %v", c, run.Err())
	}
	if n := h.Metric(taskconv.MetricDropped, attribute.String("reason", "verdict")); n != 1 {
		t.Errorf("%v dropped", n)
	}
	if r := h.Records(taskconv.EventDropped); len(r) != 1 || r[0]["error.type"] != boomType || len(h.Records(taskconv.EventFailed)) != 0 {
		t.Errorf("%v", r)
	}
}

// TestThen: the work of all who were asked runs after the span ended, each in a span of
// its own, and its failure changes nothing.
func TestThen(t *testing.T) {
	var order tracer
	h := postludetest.New(t, postlude.Config{})
	work := func(name string, err error) func(context.Context) error {
		return func(ctx context.Context) error {
			order.note("%s after %d spans", name, len(h.Spans("run job")))
			if _, ok := ctx.Deadline(); !ok {
				t.Error("work has no deadline")
			}
			return err
		}
	}
	settle(t, h, postlude.Func("job", failing),
		onError(postlude.Pass.Then(work("first", errors.New("disk full")))),
		onError(postlude.Handled.Then(work("second", nil)).Then(nil)))
	if c := order.calls(); len(c) != 2 || c[0] != "first after 1 spans" || c[1] != "second after 1 spans" {
		t.Errorf("%v", c)
	}
	if n := len(h.Spans("handle job")); n != 2 || len(h.Records(taskconv.EventHandlerFailed)) != 1 {
		t.Errorf("%d spans, records %v", n, h.Records(""))
	}
	if r := h.Records(taskconv.EventFailed); len(r) != 1 || r[0]["task.verdict"] != "handled" {
		t.Errorf("%v", r)
	}
}
