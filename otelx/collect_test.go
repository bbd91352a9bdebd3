package otelx_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postlude/postlude/otelx"
)

// TestCollect: failed spans that the sampler dropped reach the exporter, and no others.
func TestCollect(t *testing.T) {
	for _, c := range []struct {
		name    string
		sampler sdktrace.Sampler
		status  codes.Code
		want    int
	}{
		{"dropped and failed", sdktrace.NeverSample(), codes.Error, 1},
		{"dropped", sdktrace.NeverSample(), codes.Unset, 0},
		{"sampled and failed", sdktrace.AlwaysSample(), codes.Error, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(c.sampler))
			exported := collect(t, otelx.NewTemplate(otelx.TemplateConfig{Tracer: tp.Tracer("test"), Name: "run x"}), c.status)
			if len(exported) != c.want {
				t.Fatalf("%d spans were exported, want %d", len(exported), c.want)
			}
			if c.want == 0 {
				return
			}
			s := exported[0]
			if service, _ := s.Resource.Set().Value("service.name"); service.AsString() != "shop" || !s.SpanContext.IsSampled() || s.Name != "run x" {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestCollectWithoutIDs: a no-op provider's spans have none, and can't be exported.
func TestCollectWithoutIDs(t *testing.T) {
	tmpl := otelx.NewTemplate(otelx.TemplateConfig{Tracer: noop.NewTracerProvider().Tracer(""), Name: "run x"})
	if exported := collect(t, tmpl, codes.Error); len(exported) != 0 {
		t.Errorf("%d spans", len(exported))
	}
}

// collect has one span go through Collect, and returns what a batching processor exports.
func collect(t *testing.T, tmpl *otelx.Template, status codes.Code) tracetest.SpanStubs {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	c := otelx.Collect(sdktrace.NewBatchSpanProcessor(exporter), resource.NewSchemaless(attribute.String("service.name", "shop")))
	ctx, span, _ := tmpl.Start(context.Background())
	c.OnStart(ctx, span)
	span.SetStatus(status, "")
	c.OnEnding(span)
	span.End()
	c.OnEnd(span)
	if err := c.ForceFlush(context.Background()); err != nil {
		t.Error(err)
	}
	got := exporter.GetSpans()
	if err := c.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	return got
}
