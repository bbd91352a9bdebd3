package postlude_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

var failingTask = postlude.Define("failing", func(context.Context, int) error { return errBoom })

func goroutines() int { return runtime.NumGoroutine() }

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// waitFor polls a real runtime: Settle would wait for the retries themselves.
func waitFor(t *testing.T, rt *postlude.Runtime, ok func(postlude.Snapshot) bool) {
	t.Helper()
	waitUntil(t, func() bool { return ok(rt.Snapshot()) })
}

func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within a minute")
		}
	}
}

// TestWholeStory: retries, then the fallback, then one escalation that knows it all.
func TestWholeStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(notifier)
		h := postludetest.New(t, postlude.Config{
			TraceURL: "http://jaeger/trace/{trace_id}?span={span_id}",
			Defaults: []postlude.Option{postlude.OnError(postlude.Retry{Max: 3, Base: sec}, postlude.Escalate(n), postlude.Escalate(n))},
		})
		alt := postlude.Define("by_api", func(context.Context, string) error { return &declined{42} })
		mail := postlude.Define("mail", func(context.Context, string) error { return errBoom }).Fallback(alt)
		start := time.Now()
		run := settle(t, h, mail.With("ada"))
		var d *declined
		if !errors.Is(run.Err(), errBoom) || !errors.As(run.Err(), &d) {
			t.Errorf("%v", run.Err())
		}
		if len(n.told) != 1 {
			t.Fatalf("told %d times", len(n.told))
		}
		f := n.told[0]
		if len(f.History) != 5 || !f.History[4].Fallback || f.History[4].ErrorType != "*postlude_test.declined" || f.Attempt != 4 || f.MaxAttempts != 4 {
			t.Errorf("%+v", f.History)
		}
		for i, at := range []time.Duration{0, sec, 3 * sec, 7 * sec} {
			if past := f.History[i]; past.Attempt != i+1 || past.Start.Sub(start) != at || past.Err != errBoom {
				t.Errorf("attempt %d: %+v", i+1, past)
			}
		}
		if !strings.Contains(f.TraceURL, f.SpanContext.TraceID().String()+"?span="+f.SpanContext.SpanID().String()) || f.RedactedArgs() != `"ada"` {
			t.Errorf("%q, %s", f.TraceURL, f.RedactedArgs())
		}
		r := h.Records(taskconv.EventFailed)
		if len(r) != 1 || r[0]["task.verdict"] != "fallback" || r[0]["task.escalation"] != "started" || h.Metric(taskconv.MetricEscalations) != 1 {
			t.Errorf("%v", r)
		}
		last := h.Spans("run mail")[3].SpanContext().SpanID()
		for _, name := range []string{"fallback mail", "escalate mail"} {
			if s := h.Spans(name); len(s) != 1 || s[0].Parent().SpanID() != last {
				t.Errorf("%s: %v", name, s)
			}
		}
	})
}

// TestTaskFallbackRescues: nobody is told, and nothing failed.
func TestTaskFallbackRescues(t *testing.T) {
	n := new(notifier)
	h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.Escalate(n))}})
	got := ""
	alt := postlude.Define("alt", func(_ context.Context, to string) error { got = to; return nil })
	task := postlude.Define("mail", func(context.Context, string) error { return errBoom })
	if run := settle(t, h, task.Fallback(alt).With("ada")); run.Err() != nil || got != "ada" || len(n.told) != 0 {
		t.Errorf("%v, %q, told %d", run.Err(), got, len(n.told))
	}
	if r := h.Records(taskconv.EventSucceeded)[0]; r["task.fallback"] != "alt" || r["task.duration_ms"] == nil || r["task.queue_delay_ms"] == nil {
		t.Errorf("%v", r)
	}
	if run := settle(t, h, task.With("ada")); run.Err() == nil || len(n.told) != 1 {
		t.Error("Fallback changed the task that it was called on")
	}
	if _, err := postlude.Go(h.Context(), task.Fallback(nil).With("x")); !errors.Is(err, postlude.ErrInvalidTask) {
		t.Errorf("a nil fallback: %v", err)
	}
}

// TestExplicitVerdictsAreFinal: what was noted is not used after them.
func TestExplicitVerdictsAreFinal(t *testing.T) {
	for name, v := range map[string]postlude.Verdict{"handled": postlude.Handled, "drop": postlude.Drop} {
		n := new(notifier)
		h := postludetest.New(t, postlude.Config{})
		settle(t, h, failingTask.Fallback(okTask).With(1), postlude.OnError(postlude.Escalate(n)), onError(v))
		if len(n.told) != 0 || len(h.Spans("fallback failing")) != 0 {
			t.Errorf("%s: told %d", name, len(n.told))
		}
	}
	noted, explicit := new(notifier), new(notifier)
	h := postludetest.New(t, postlude.Config{})
	settle(t, h, failingTask.Fallback(okTask).With(1), postlude.OnError(postlude.Escalate(noted)), onError(postlude.EscalateTo(explicit)))
	if len(noted.told) != 0 || len(explicit.told) != 1 || len(h.Spans("fallback failing")) != 0 {
		t.Errorf("told %d and %d", len(noted.told), len(explicit.told))
	}
}

// TestOnePageNotAThousand: within the window there is one, and the next tells the count.
func TestOnePageNotAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(notifier)
		h := postludetest.New(t, postlude.Config{EscalationWindow: time.Minute, Workers: 1, Defaults: []postlude.Option{postlude.OnError(postlude.Escalate(n))}})
		for range 1000 {
			admitted(t)(postlude.Go(h.Context(), failingTask.With(1)))
		}
		admitted(t)(postlude.Go(h.Context(), postlude.Func("failing", func(context.Context) error { return &declined{} })))
		h.Settle()
		if len(n.told) != 2 { // one for each error type
			t.Errorf("told %d times", len(n.told))
		}
		time.Sleep(time.Minute)
		settle(t, h, failingTask.With(1))
		if len(n.told) != 3 || n.told[2].Suppressed != 999 {
			t.Errorf("told %d times, then of %d suppressed", len(n.told), n.told[len(n.told)-1].Suppressed)
		}
		n.err = errBoom // a notification that fails does not suppress the next
		time.Sleep(time.Minute)
		settle(t, h, failingTask.With(1))
		settle(t, h, failingTask.With(1))
		if len(n.told) != 5 {
			t.Errorf("told %d times", len(n.told))
		}
		if r := h.Records(taskconv.EventFailed); r[len(r)-1]["task.escalation"] != "started" || r[5]["task.escalation"] != "suppressed" {
			t.Errorf("%v", r[len(r)-1])
		}
	})
}

// TestCanceledIsNotEscalated, not retried and has no fallback, by Cancel or by shutdown.
func TestCanceledIsNotEscalated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(notifier)
		h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.Retry{Max: 5}, postlude.Escalate(n))}})
		task := postlude.Define("job", func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }).Fallback(okTask)
		one := admitted(t)(postlude.Go(h.Context(), task.With(1)))
		admitted(t)(postlude.Go(h.Context(), task.With(1)))
		synctest.Wait()
		one.Cancel()
		r, err := h.Runtime().Shutdown(context.Background())
		if err != nil || r.Canceled != 2 || len(n.told) != 0 || len(h.Spans("run job")) != 2 || len(h.Spans("fallback job")) != 0 {
			t.Errorf("%+v, %v, told %d", r.Counts, err, len(n.told))
		}
	})
}

// TestEscalateOnProvider: SERVER spans that fail and are no tasks, once for each name and
// type, from OnEnd, without blocking it; nothing escalates itself.
func TestEscalateOnProvider(t *testing.T) {
	release := make(chan struct{})
	slow := &slowNotifier{release: release}
	handler := postlude.Escalate(slow)
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(handler))
	end := func(name string, kind trace.SpanKind, code codes.Code, kvs ...attribute.KeyValue) {
		_, s := tp.Tracer("server").Start(context.Background(), name, trace.WithSpanKind(kind))
		s.SetAttributes(kvs...)
		s.SetStatus(code, "no rows")
		s.End()
	}
	errType := attribute.String("error.type", "500")
	for range 3 {
		end("GET /a", trace.SpanKindServer, codes.Error, errType)
	}
	end("GET /ok", trace.SpanKindServer, codes.Unset)
	end("client", trace.SpanKindClient, codes.Error)
	for _, name := range []string{"GET /b", "GET /c", "GET /d", "GET /e", "GET /f"} { // more than run at once
		end(name, trace.SpanKindServer, codes.Error)
	}
	close(release)
	if err := tp.Shutdown(context.Background()); err != nil { // waits for them
		t.Error(err)
	}
	slices.Sort(slow.told)
	want := []string{"GET /a 500 no rows", "GET /b _OTHER no rows", "GET /c _OTHER no rows", "GET /d _OTHER no rows"}
	if !slices.Equal(slow.told, want) {
		t.Errorf("told of %q, want %q", slow.told, want)
	}
}

type slowNotifier struct {
	release chan struct{}
	mu      sync.Mutex
	told    []string
}

func (n *slowNotifier) Notify(_ context.Context, f *postlude.Failure) error {
	<-n.release
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, f.Task().Name+" "+f.ErrorType+" "+f.Message())
	if f.Args() != nil || f.RedactedArgs() != "" {
		n.told = append(n.told, "arguments from nowhere")
	}
	return nil
}

// endsOneMore is a processor that a request outlives: a span fails while the provider,
// with its lock held, shuts the processor down.
type endsOneMore struct {
	postlude.ErrorHandler
	span trace.Span
}

func (p endsOneMore) Shutdown(ctx context.Context) error {
	p.span.End()
	return p.ErrorHandler.Shutdown(ctx)
}

// TestEscalateWhileProviderStops: the notification needs nothing that the provider holds
// while it waits for it.
func TestEscalateWhileProviderStops(t *testing.T) {
	n := new(notifier)
	tp := sdktrace.NewTracerProvider()
	p := &endsOneMore{ErrorHandler: postlude.Escalate(n)}
	tp.RegisterSpanProcessor(p)
	_, p.span = tp.Tracer("server").Start(context.Background(), "GET /", trace.WithSpanKind(trace.SpanKindServer))
	p.span.SetStatus(codes.Error, "no rows")
	tp.UnregisterSpanProcessor(p)
	if len(n.told) != 1 {
		t.Errorf("told %d times", len(n.told))
	}
}
