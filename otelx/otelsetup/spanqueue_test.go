package otelsetup_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postlude/postlude/otelx/otelsetup"
)

// backEnd is an exporter of the name "test": it counts the spans that it takes.
type backEnd struct {
	export func(ctx context.Context, n int) error // nil: at once
	spans  atomic.Int64
}

func (e *backEnd) Shutdown(context.Context) error { return nil }

func (e *backEnd) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.export != nil {
		if err := e.export(ctx, len(spans)); err != nil {
			return err
		}
	}
	e.spans.Add(int64(len(spans)))
	return nil
}

var current *backEnd

func registerBackEnd() {
	autoexport.RegisterSpanExporter("test", func(context.Context) (sdktrace.SpanExporter, error) { return current, nil })
}

// startWith starts with spans going to e.
func startWith(t *testing.T, e *backEnd, cfg otelsetup.Config) *otelsetup.SDK {
	t.Helper()
	current = e
	t.Setenv("OTEL_TRACES_EXPORTER", "test")
	return start(t, cfg)
}

func endSpans(t *testing.T, sdk *otelsetup.SDK, n int) {
	tracer := sdk.TracerProvider.Tracer("test")
	for range n {
		_, span := tracer.Start(t.Context(), "run burst")
		span.End()
	}
}

const burst = 300_000

// Whatever the back end does in a burst: what arrives and what is counted is what ended.
func TestBurstIsCounted(t *testing.T) {
	n := burst
	if testing.Short() {
		n /= 10
	}
	for name, export := range map[string]func(context.Context, int) error{
		"instant": nil,
		"failing now and then": func() func(context.Context, int) error {
			n := 0
			return func(context.Context, int) error {
				if n++; n%3 == 0 {
					return errors.New("503")
				}
				return nil
			}
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			cleanEnv(t)
			e := &backEnd{export: export}
			sdk := startWith(t, e, otelsetup.Config{})
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { endSpans(t, sdk, n/8) })
			}
			wg.Wait()
			err := sdk.Shutdown(t.Context())
			checkAccount(t, sdk, e, err, n)
			var lost *otelsetup.SpansDroppedError
			if failing := errors.As(err, &lost) && lost.ExportFailed > 0; failing != (export != nil) {
				t.Errorf("Shutdown = %v", err)
			}
			t.Logf("%d exported, %d dropped", e.spans.Load(), sdk.SpansDropped())
		})
	}
}

// checkAccount: no span has vanished, and the error of Shutdown tells of those lost.
func checkAccount(t *testing.T, sdk *otelsetup.SDK, e *backEnd, err error, ended int) {
	t.Helper()
	dropped := sdk.SpansDropped()
	if got := e.spans.Load() + int64(dropped); got != int64(ended) {
		t.Errorf("%d exported + %d dropped = %d, %d ended", e.spans.Load(), dropped, got, ended)
	}
	var lost *otelsetup.SpansDroppedError
	if errors.As(err, &lost) != (dropped > 0) {
		t.Errorf("%d dropped, and Shutdown = %v", dropped, err)
	}
	if lost != nil && lost.QueueFull+lost.ExportFailed+lost.Unsent != dropped {
		t.Errorf("%d dropped, and Shutdown tells %+v", dropped, *lost)
	}
}

// With 5 ms a batch, a burst overflows the queue; with SpanWait it takes the back end's time instead.
func TestBurstAtSlowBackEnd(t *testing.T) {
	for _, tc := range []struct {
		wait time.Duration
		all  bool
	}{{0, false}, {time.Second, true}, {time.Microsecond, false}} {
		t.Run(fmt.Sprint(tc.wait), func(t *testing.T) {
			cleanEnv(t)
			t.Setenv("OTEL_TRACES_EXPORTER", "test")
			synctest.Test(t, func(t *testing.T) {
				e := &backEnd{export: func(context.Context, int) error {
					time.Sleep(5 * time.Millisecond)
					return nil
				}}
				current = e
				sdk := start(t, otelsetup.Config{SpanWait: tc.wait})
				began := time.Now()
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() { endSpans(t, sdk, burst/8) })
				}
				wg.Wait()
				took := time.Since(began)
				checkAccount(t, sdk, e, sdk.Shutdown(t.Context()), burst)
				if all := sdk.SpansDropped() == 0; all != tc.all {
					t.Errorf("%d dropped", sdk.SpansDropped())
				}
				// 300,000 spans are 586 batches, of which 64 fit the queue.
				if want := (586 - 64 - 2) * 5 * time.Millisecond; tc.all && (took < want || took > want+20*time.Millisecond) {
					t.Errorf("the burst took %v, want about %v", took, want)
				}
			})
		})
	}
}

// What Shutdown has no time for is counted, too, and does not change any more.
func TestUnsentSpansAreCounted(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "test")
	synctest.Test(t, func(t *testing.T) {
		e := &backEnd{export: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		current = e
		sdk := start(t, otelsetup.Config{Logger: slog.New(slog.DiscardHandler)})
		endSpans(t, sdk, 2000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		checkAccount(t, sdk, e, sdk.Shutdown(ctx), 2000)
		time.Sleep(time.Minute)
		if got := sdk.SpansDropped(); got != 2000 {
			t.Errorf("%d a minute later", got)
		}
	})
}

// A flush that gives up leaves a marker in the SDK's queue, which must not take the place of a span.
func TestFlushOfFullQueue(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "test")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
	synctest.Test(t, func(t *testing.T) {
		e := &backEnd{export: func(context.Context, int) error {
			time.Sleep(10 * time.Second)
			return nil
		}}
		current = e
		sdk := start(t, otelsetup.Config{})
		endSpans(t, sdk, 10)
		synctest.Wait()
		tp := otel.GetTracerProvider().(interface{ ForceFlush(context.Context) error })
		for range 8 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if err := tp.ForceFlush(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ForceFlush = %v", err)
			}
			cancel()
		}
		endSpans(t, sdk, 10)
		time.Sleep(time.Minute)
		if e.spans.Load() != 20 || sdk.SpansDropped() != 0 {
			t.Errorf("%d exported, %d dropped", e.spans.Load(), sdk.SpansDropped())
		}
		if err := sdk.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Spans that nobody samples are not lost, nor are any that go nowhere.
func TestUnsampledSpansAreNotCounted(t *testing.T) {
	cleanEnv(t)
	e := &backEnd{}
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	sdk := startWith(t, e, otelsetup.Config{})
	endSpans(t, sdk, 10)
	checkAccount(t, sdk, e, sdk.Shutdown(t.Context()), 0)
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	if sdk := start(t, otelsetup.Config{}); sdk.SpansDropped() != 0 {
		t.Error(sdk.SpansDropped())
	}
}
