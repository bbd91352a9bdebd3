package otelx_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postlude/postlude/otelx"
)

// BenchmarkTemplate is what a task's span costs, with the attributes of a plan.
func BenchmarkTemplate(b *testing.B) {
	attrs := []attribute.KeyValue{
		attribute.String("task.name", "send_receipt"), attribute.String("task.timing", "after_response"),
		attribute.Bool("task.shield", false), attribute.String("code.function.name", "example.com/shop.sendReceipt"),
	}
	for _, s := range []struct {
		name   string
		tracer trace.Tracer
	}{
		{"sampled", sampledBy(sdktrace.AlwaysSample())},
		{"unsampled", sampledBy(sdktrace.NeverSample())},
		{"noop", noop.Tracer{}},
	} {
		tmpl := otelx.NewTemplate(otelx.TemplateConfig{Tracer: s.tracer, Scope: scope, Name: "run send_receipt", Kind: trace.SpanKindConsumer, Attributes: attrs})
		ctx := context.Background()
		b.Run(s.name+"/start+end", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, span, _ := tmpl.Start(ctx)
				span.End()
			}
		})
		b.Run(s.name+"/start+write+read+end", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, span, _ := tmpl.Start(ctx)
				span.SetAttributes(attribute.Int("task.attempt", 1), attribute.String("task.id", "8c1f"), attribute.String("task.outcome", "ok"))
				_ = span.Attributes()
				span.End()
			}
		})
	}
}
