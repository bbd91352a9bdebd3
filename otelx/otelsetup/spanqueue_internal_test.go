package otelsetup

import (
	"context"
	"log/slog"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

var quiet = &reporter{logger: slog.New(slog.DiscardHandler)}

// recordOnly records spans for processors of the program's own.
type recordOnly struct{}

func (recordOnly) Description() string { return "recordOnly" }

func (recordOnly) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly}
}

// What is recorded and not sampled is not for the exporter: it takes no place, and is not lost.
func TestRecordedSpansTakeNoPlace(t *testing.T) {
	q := newBatchQueue(tracetest.NewNoopExporter(), 2, 0, quiet)
	tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(recordOnly{}), sdktrace.WithSpanProcessor(q))
	for range 10 {
		_, span := tp.Tracer("test").Start(t.Context(), "run")
		if !span.IsRecording() {
			t.Fatal("the span does not record")
		}
		span.End()
	}
	if err := tp.Shutdown(t.Context()); err != nil || q.dropped().total() != 0 {
		t.Errorf("Shutdown = %v, lost %+v", err, q.dropped())
	}
}

// BenchmarkOnEnd is what the count costs a span: the SDK's processor alone, and behind
// the queue, with room and without.
func BenchmarkOnEnd(b *testing.B) {
	span := tracetest.SpanStub{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	})}.Snapshot()
	e := tracetest.NewNoopExporter()
	full := newBatchQueue(e, SpanQueueSize, 0, quiet)
	full.limit = 0
	for name, p := range map[string]sdktrace.SpanProcessor{
		"sdk":         sdktrace.NewBatchSpanProcessor(e, sdktrace.WithMaxQueueSize(SpanQueueSize), sdktrace.WithBlocking()),
		"queue":       newBatchQueue(e, SpanQueueSize, 1<<62, quiet),
		"queue, full": full,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p.OnEnd(span)
			}
		})
		if err := p.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	}
}
