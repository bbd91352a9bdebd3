package postlude_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postlude/postlude/logging"
	postlude "github.com/postlude/postlude/runtime"
)

// discard is an exporter that throws spans away.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

type benchArgs struct {
	Order string
	Cents int
}

var benchTask = postlude.Define("bench", func(context.Context, benchArgs) error { return nil })

// benchRuntime has what an observed task costs in production: a batching span processor,
// a JSON record for each task, and metrics.
func benchRuntime(b *testing.B, s sdktrace.Sampler, cfg postlude.Config) *postlude.Runtime {
	b.Helper()
	tp := trace.TracerProvider(noop.NewTracerProvider())
	if s != nil {
		sdk := sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithBatcher(discard{}, sdktrace.WithBlocking()))
		b.Cleanup(func() { _ = sdk.Shutdown(context.Background()) })
		tp = sdk
	}
	cfg.TracerProvider = tp
	cfg.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewJSONHandler(io.Discard, nil))
	}
	cfg.Queue = 1 << 20
	rt, err := postlude.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = rt.Shutdown(context.Background()) })
	return rt
}

// benchmark schedules and runs tasks, with at most 64 in flight.
func benchmark(b *testing.B, rt *postlude.Runtime, j postlude.Job, opts ...postlude.Option) {
	ctx := trace.ContextWithSpanContext(rt.Context(context.Background()), remoteParent)
	b.ReportAllocs()
	inFlight := make(chan postlude.Run, 64)
	var wg sync.WaitGroup
	wg.Go(func() {
		for run := range inFlight {
			<-run.Done()
		}
	})
	for b.Loop() {
		run, err := postlude.Go(ctx, j, opts...)
		if err != nil {
			b.Fatal(err)
		}
		inFlight <- run
	}
	close(inFlight)
	wg.Wait()
}

var samplings = []struct {
	name    string
	sampler sdktrace.Sampler
}{
	{"sampled", sdktrace.AlwaysSample()},
	{"unsampled", sdktrace.NeverSample()},
	{"noop", nil},
}

// BenchmarkTask is one observed task, from Go to Done.
func BenchmarkTask(b *testing.B) {
	for _, s := range samplings {
		b.Run(s.name, func(b *testing.B) {
			benchmark(b, benchRuntime(b, s.sampler, postlude.Config{}), benchTask.With(benchArgs{"o-17", 1999}))
		})
	}
}

// BenchmarkTaskOwnLog is BenchmarkTask with the JSON handler of package logging.
func BenchmarkTaskOwnLog(b *testing.B) {
	for _, s := range samplings {
		b.Run(s.name, func(b *testing.B) {
			cfg := postlude.Config{Logger: logging.New(io.Discard, logging.Options{Format: logging.JSON})}
			benchmark(b, benchRuntime(b, s.sampler, cfg), benchTask.With(benchArgs{"o-17", 1999}))
		})
	}
}

// BenchmarkTaskWithOptions has an option for the single call, which costs a merge.
func BenchmarkTaskWithOptions(b *testing.B) {
	benchmark(b, benchRuntime(b, sdktrace.AlwaysSample(), postlude.Config{}), benchTask.With(benchArgs{"o-17", 1999}), postlude.Shield(true))
}

// BenchmarkTaskFailing has a handler that decides.
func BenchmarkTaskFailing(b *testing.B) {
	handler := postlude.HandlerFunc("handler", func(context.Context, *postlude.Failure) postlude.Verdict { return postlude.Handled })
	for _, s := range samplings {
		b.Run(s.name, func(b *testing.B) {
			cfg := postlude.Config{Defaults: []postlude.Option{postlude.OnError(handler)}}
			benchmark(b, benchRuntime(b, s.sampler, cfg), postlude.Func("bench", failing))
		})
	}
}

// BenchmarkTaskUnlogged has no record: what is left is scheduling, span and metrics.
func BenchmarkTaskUnlogged(b *testing.B) {
	cfg := postlude.Config{Logger: slog.New(slog.DiscardHandler)}
	benchmark(b, benchRuntime(b, sdktrace.NeverSample(), cfg), benchTask.With(benchArgs{"o-17", 1999}))
}

// BenchmarkSchedule is what a handler pays: the call of Go alone, with idle workers.
func BenchmarkSchedule(b *testing.B) {
	rt := benchRuntime(b, sdktrace.NeverSample(), postlude.Config{Logger: slog.New(slog.DiscardHandler)})
	ctx, job := rt.Context(context.Background()), benchTask.With(benchArgs{"o-17", 1999})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := postlude.Go(ctx, job); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefused is what a handler pays when the queue is full.
func BenchmarkRefused(b *testing.B) {
	rt := benchRuntime(b, nil, postlude.Config{})
	ctx, job := rt.Context(context.Background()), benchTask.With(benchArgs{"o-17", 1999})
	_, _ = rt.Shutdown(context.Background())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := postlude.Go(ctx, job); err == nil {
			b.Fatal("admitted")
		}
	}
}

// BenchmarkSnapshot is what the page costs: with as many names as are counted apart.
func BenchmarkSnapshot(b *testing.B) {
	for _, names := range []int{20, 1024} {
		b.Run(fmt.Sprint(names), func(b *testing.B) {
			rt := benchRuntime(b, nil, postlude.Config{Logger: slog.New(slog.DiscardHandler)})
			for n := range names {
				run, err := postlude.Go(rt.Context(b.Context()), postlude.Func(fmt.Sprint("task ", n), func(context.Context) error { return nil }))
				if err != nil {
					b.Fatal(err)
				}
				<-run.Done()
			}
			b.ReportAllocs()
			for b.Loop() {
				if s := rt.Snapshot(); len(s.Tasks) != names {
					b.Fatalf("%d names", len(s.Tasks))
				}
			}
		})
	}
}
