package otelx

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Collect makes a processor that hands failed spans on to next, an exporter's processor,
// though the sampler dropped their trace. Spans that were sampled are not handed on, as
// the provider has them exported, nor are those that did not fail.
//
// Give it to a runtime (OnError), not to a provider, which shows an unsampled span to no
// processor. res describes the service, as the provider's resource does for the others:
// without a service.name, back ends file the span under an unknown service. The parents
// of such a span are missing in the back end; some warn of that.
//
// next belongs to the caller, but for ForceFlush and Shutdown, which are passed on.
func Collect(next sdktrace.SpanProcessor, res *resource.Resource) Processor {
	if res == nil {
		res = resource.Empty()
	}
	return &collect{next: next, res: res}
}

type collect struct {
	next sdktrace.SpanProcessor
	res  *resource.Resource
}

func (c *collect) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c *collect) OnEnding(sdktrace.ReadWriteSpan)                 {}
func (c *collect) ForceFlush(ctx context.Context) error            { return c.next.ForceFlush(ctx) }
func (c *collect) Shutdown(ctx context.Context) error              { return c.next.Shutdown(ctx) }

func (c *collect) OnEnd(s sdktrace.ReadOnlySpan) {
	sc := s.SpanContext()
	if s.Status().Code != codes.Error || sc.IsSampled() || !sc.IsValid() {
		return
	}
	c.next.OnEnd(promoted{s, sc.WithTraceFlags(sc.TraceFlags().WithSampled(true)), c.res})
}

// promoted is a span that says it is sampled: the SDK's processors export no other.
type promoted struct {
	sdktrace.ReadOnlySpan
	sc  trace.SpanContext
	res *resource.Resource
}

func (p promoted) SpanContext() trace.SpanContext { return p.sc }
func (p promoted) Resource() *resource.Resource   { return p.res }
