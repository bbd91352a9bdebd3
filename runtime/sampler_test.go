package postlude_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postlude/postlude/otelx"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// sampled are providers that decide in different ways what is recorded; nothing else may
// depend on that. has tells how many of n attempts the exporter got.
var sampled = []struct {
	name string
	make func(sdktrace.SpanProcessor) trace.TracerProvider
	has  func(exported, n int) bool
}{
	{"always", sampler(sdktrace.AlwaysSample()), func(e, n int) bool { return e == n }},
	{"1 %", sampler(sdktrace.TraceIDRatioBased(.01)), func(e, n int) bool { return e > 0 && e < n/20 }},
	{"never", sampler(sdktrace.NeverSample()), func(e, _ int) bool { return e == 0 }},
	{"always, our spans", ownSpans(sdktrace.AlwaysSample()), func(e, n int) bool { return e == n }},
	{"1 %, our spans", ownSpans(sdktrace.TraceIDRatioBased(.01)), func(e, n int) bool { return e > 0 && e < n/20 }},
	{"never, our spans", ownSpans(sdktrace.NeverSample()), func(e, _ int) bool { return e == 0 }},
	{"no-op", func(sdktrace.SpanProcessor) trace.TracerProvider { return noop.NewTracerProvider() }, func(e, _ int) bool { return e == 0 }},
	{"shut down", shutDown, func(e, _ int) bool { return e == 0 }},
	{"not the SDK's", func(sdktrace.SpanProcessor) trace.TracerProvider { return new(otherSDK) }, func(e, _ int) bool { return e == 0 }},
}

func sampler(s sdktrace.Sampler) func(sdktrace.SpanProcessor) trace.TracerProvider {
	return func(p sdktrace.SpanProcessor) trace.TracerProvider {
		return sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithSpanProcessor(p))
	}
}

func ownSpans(s sdktrace.Sampler) func(sdktrace.SpanProcessor) trace.TracerProvider {
	return func(p sdktrace.SpanProcessor) trace.TracerProvider {
		return otelx.NewTracerProvider(otelx.ProviderConfig{Sampler: s, Processors: []sdktrace.SpanProcessor{p}})
	}
}

// bothProviders are the SDK's and ours, each with processors.
var bothProviders = map[string]func(...sdktrace.SpanProcessor) trace.TracerProvider{
	"the SDK's provider": func(ps ...sdktrace.SpanProcessor) trace.TracerProvider {
		var opts []sdktrace.TracerProviderOption
		for _, p := range ps {
			opts = append(opts, sdktrace.WithSpanProcessor(p))
		}
		return sdktrace.NewTracerProvider(opts...)
	},
	"our provider": func(ps ...sdktrace.SpanProcessor) trace.TracerProvider {
		return otelx.NewTracerProvider(otelx.ProviderConfig{Processors: ps})
	},
}

func shutDown(p sdktrace.SpanProcessor) trace.TracerProvider {
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p))
	if err := tp.Shutdown(context.Background()); err != nil {
		panic(err)
	}
	return tp
}

// TestSamplers: tasks, handlers, records and metrics are the same under each, with and
// without a processor that wants to see all spans, and user code's attributes reach
// the handlers.
func TestSamplers(t *testing.T) {
	for _, s := range sampled {
		t.Run(s.name, func(t *testing.T) {
			n := 10_000
			if raceEnabled {
				n = 2_000 // enough for 1 % to be some
			}
			recorder := tracetest.NewSpanRecorder()
			// The time limit is for handlers that block, not for a machine that is busy with
			// thousands of them under the race detector.
			cfg := postlude.Config{TracerProvider: s.make(recorder), Queue: n, HandlerTimeout: time.Minute}
			testSampler(t, postludetest.New(t, cfg), n)
			if e := len(recorder.Ended()); !s.has(e, n) {
				t.Errorf("%d spans were exported", e)
			}
			for _, s := range recorder.Ended() {
				if attrOf(s, taskconv.TaskVerdict).AsString() != "handled" {
					t.Fatalf("an exported span without its verdict: %v", s.Attributes())
				}
			}
		})
	}
}

func testSampler(t *testing.T, h *postludetest.Harness, n int) {
	var mu sync.Mutex
	asked := map[string]int{}
	handler := postlude.HandlerFunc("handler", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		mu.Lock()
		defer mu.Unlock()
		asked[attrOf(f.Span, "user").AsString()+"/"+attrOf(f.Span, taskconv.TaskName).AsString()+"/"+attrOf(f.Span, "error.type").AsString()]++
		return postlude.Handled
	})
	task := postlude.Define("job", func(ctx context.Context, _ int) error {
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("user", "ada"))
		return errBoom
	}, postlude.OnError(handler))
	for i := range n {
		admitted(t)(postlude.Go(h.Context(), task.With(i)))
	}
	h.Settle()
	if want := "ada/job/" + boomType; asked[want] != n {
		t.Errorf("the handler saw %v", asked)
	}
	if got := len(h.Records(taskconv.EventFailed)); got != n {
		t.Errorf("%d records", got)
	}
	if got := h.Metric(taskconv.MetricAttempts, attribute.String("task.outcome", "error")); got != float64(n) {
		t.Errorf("%v attempts counted", got)
	}
	spans := h.Spans("run job")
	if len(spans) != n || attrOf(spans[0], "task.verdict").AsString() != "handled" || spans[0].EndTime().Before(spans[0].StartTime()) {
		t.Errorf("%d spans", len(spans))
	}
}

// TestSamplersWithoutProcessor: the spans that nobody reads until the task fails.
func TestSamplersWithoutProcessor(t *testing.T) {
	for _, s := range sampled {
		t.Run(s.name, func(t *testing.T) {
			rt, err := postlude.New(postlude.Config{TracerProvider: s.make(tracetest.NewSpanRecorder()), Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			ctx := trace.ContextWithSpanContext(context.Background(), remoteParent)
			var seen []attribute.KeyValue
			var parent trace.SpanContext
			var links int
			handler := postlude.HandlerFunc("handler", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
				seen, parent, links = f.Span.Attributes(), f.Span.Parent(), len(f.Span.Links())
				return postlude.Pass
			})
			for _, body := range []func(context.Context) error{func(context.Context) error { return nil }, failing} {
				run := admitted(t)(postlude.Go(rt.Context(ctx), postlude.Func("job", body), postlude.OnError(handler)))
				<-run.Done()
			}
			if len(seen) < 9 || !parent.Equal(remoteParent) || links != 1 {
				t.Errorf("the handler saw %v, parent %v, %d links", seen, parent, links)
			}
			if _, err := rt.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

var remoteParent = trace.NewSpanContext(trace.SpanContextConfig{
	TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true,
})

// otherSDK makes spans that record and are not the SDK's, as automatic instrumentation
// (go.opentelemetry.io/auto) makes them behind otel's global provider.
type otherSDK struct{ noop.TracerProvider }

func (p *otherSDK) Tracer(string, ...trace.TracerOption) trace.Tracer { return otherTracer{p: p} }

type otherTracer struct {
	noop.Tracer
	p *otherSDK
}

func (tr otherTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	s := &otherSpan{sc: remoteParent.WithSpanID(trace.SpanID{3}).WithRemote(false), p: tr.p}
	return trace.ContextWithSpan(ctx, s), s
}

type otherSpan struct {
	noop.Span
	sc trace.SpanContext
	p  *otherSDK
}

func (s *otherSpan) SpanContext() trace.SpanContext       { return s.sc }
func (s *otherSpan) IsRecording() bool                    { return true }
func (s *otherSpan) TracerProvider() trace.TracerProvider { return s.p }

// TestBrokenTelemetry: whatever of the application's telemetry panics, the tasks run,
// with their fates, and no worker is lost.
func TestBrokenTelemetry(t *testing.T) {
	for i, when := range []string{"OnStart", "OnEnd", "ShouldSample", "OnStart", "OnEnd", "ShouldSample"} {
		t.Run(when, func(t *testing.T) {
			make := sampler(panickySampler{when})
			if i >= 3 {
				make = ownSpans(panickySampler{when})
			}
			tp := make(panicky{when})
			h := postludetest.New(t, postlude.Config{TracerProvider: tp, Workers: 1})
			good := admitted(t)(postlude.Go(h.Context(), sleeper("good", 0)))
			bad := admitted(t)(postlude.Go(h.Context(), postlude.Func("bad", failing)))
			h.Settle()
			if good.Err() != nil || !errors.Is(bad.Err(), errBoom) {
				t.Errorf("%v, %v", good.Err(), bad.Err())
			}
			if n := len(h.Records(taskconv.EventHandlerFailed)); n < 2 || len(h.Records(taskconv.EventFailed)) != 1 {
				t.Errorf("%d reports", n)
			}
		})
	}
}

// TestBrokenStart: a span that was shown to a processor before another one panicked is that
// processor's. What it does with it, at whatever time, is nothing to the attempt.
func TestBrokenStart(t *testing.T) {
	for name, provide := range bothProviders {
		t.Run(name, func(t *testing.T) {
			var first hoarder
			h := postludetest.New(t, postlude.Config{TracerProvider: provide(&first, panicky{"OnStart"})})
			var seen []attribute.KeyValue
			run := admitted(t)(postlude.Go(h.Context(), postlude.Func("job", failing), postlude.OnError(
				postlude.HandlerFunc("look", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
					seen = f.Span.Attributes()
					return postlude.Pass
				}))))
			h.Settle()
			first.reading.Wait()
			if !errors.Is(run.Err(), errBoom) || len(seen) < 9 {
				t.Errorf("%v, the handler saw %v", run.Err(), seen)
			}
			if first.span == nil || !first.span.SpanContext().Equal(first.had) {
				t.Errorf("the processor's span was %v, and became %v", first.had, first.span.SpanContext())
			}
		})
	}
}

// hoarder is a processor that keeps a span, reads it for a while, and ends it.
type hoarder struct {
	span    sdktrace.ReadWriteSpan
	had     trace.SpanContext
	reading sync.WaitGroup
}

func (h *hoarder) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	h.span, h.had = s, s.SpanContext()
	h.reading.Go(func() {
		for range 100 {
			_, _, _ = s.SpanContext(), s.Parent(), s.TracerProvider()
			runtime.Gosched()
		}
	})
	s.End()
}

func (*hoarder) OnEnd(sdktrace.ReadOnlySpan)      {}
func (*hoarder) Shutdown(context.Context) error   { return nil }
func (*hoarder) ForceFlush(context.Context) error { return nil }

type panicky struct{ when string }

func (p panicky) OnStart(context.Context, sdktrace.ReadWriteSpan) { p.on("OnStart") }
func (p panicky) OnEnd(sdktrace.ReadOnlySpan)                     { p.on("OnEnd") }
func (p panicky) Shutdown(context.Context) error                  { return nil }
func (p panicky) ForceFlush(context.Context) error                { return nil }

func (p panicky) on(call string) {
	if p.when == call {
		panic(call)
	}
}

type panickySampler struct{ when string }

func (s panickySampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	panicky(s).on("ShouldSample")
	return sdktrace.AlwaysSample().ShouldSample(p)
}

func (s panickySampler) Description() string { return "panicky" }

// exits is an argument and a log handler that ends the goroutine which looks at it.
type exits struct{ slog.Handler }

func (exits) LogValue() slog.Value { runtime.Goexit(); return slog.Value{} }

func (exits) Handle(context.Context, slog.Record) error { runtime.Goexit(); return nil }
func (e exits) WithAttrs([]slog.Attr) slog.Handler      { return e }

// TestGoexitInTelemetry: user code that is called to describe a task may end the worker's
// goroutine, too. The task gets its fate all the same, and the worker goes on.
func TestGoexitInTelemetry(t *testing.T) {
	for name, cfg := range map[string]postlude.Config{
		"argument":    {Logger: quiet},
		"log handler": {Logger: slog.New(exits{slog.NewTextHandler(io.Discard, nil)})},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Workers = 1
			rt, err := postlude.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			task := postlude.Define("job", func(_ context.Context, e exits) error { return errBoom })
			for range 20 {
				admitted(t)(postlude.Go(rt.Context(context.Background()), task.With(exits{})))
			}
			if r, _ := rt.Shutdown(context.Background()); r.Scheduled != 20 || r.Failed+r.Dropped+r.Canceled != 20 {
				t.Errorf("%+v", r.Counts)
			}
		})
	}
}
