package otelx

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Template is what the spans of one kind have in common. It is computed once, as
// the options of a span cost more than the rest of starting it. A Template must
// not be changed; it is safe for concurrent use.
type Template struct {
	tracer  trace.Tracer
	own     *own // the tracer's provider is ours: it makes the spans; nil for others
	scope   instrumentation.Scope
	name    string
	kind    trace.SpanKind
	newRoot bool
	attrs   []attribute.KeyValue // shared by the local spans, which never write to it
	dropped int                  // attributes that were given and are not in attrs
	opts    []trace.SpanStartOption
}

// TemplateConfig describes a Template.
type TemplateConfig struct {
	Tracer     trace.Tracer
	Scope      instrumentation.Scope // the tracer's, for spans that the SDK does not record
	Name       string
	Kind       trace.SpanKind
	NewRoot    bool                 // ignore the parent in the context
	Attributes []attribute.KeyValue // given at the start, where samplers see them
}

// NewTemplate prepares spans of one kind.
func NewTemplate(c TemplateConfig) *Template {
	t := &Template{
		tracer: c.Tracer, scope: c.Scope, name: c.Name, newRoot: c.NewRoot,
		kind: trace.ValidateSpanKind(c.Kind), // unspecified means internal
	}
	if ours, ok := c.Tracer.(*tracer); ok {
		t.own = ours.own
	}
	t.attrs, t.dropped = put(nil, c.Attributes)
	t.attrs = slices.Clip(t.attrs) // others append to what they are given
	t.opts = append(t.opts, trace.WithSpanKind(c.Kind))
	if c.NewRoot {
		t.opts = append(t.opts, trace.WithNewRoot())
	}
	if len(c.Attributes) > 0 { // all of them: the SDK counts what it drops
		t.opts = append(t.opts, trace.WithAttributes(slices.Clone(c.Attributes)...))
	}
	t.opts = slices.Clip(t.opts)
	return t
}

// Start starts a span and returns it with a context that carries it. The span
// can be read whatever the sampler decided: it is the SDK's own if that records,
// and one that records locally otherwise (a TracerProvider of this package, not sampled,
// a no-op provider, a tracer made by a provider that was shut down, a tracer that is not
// the SDK's).
//
// exported tells whether the provider records too, so that attributes that only an
// exporter would read need not be computed otherwise.
func (t *Template) Start(ctx context.Context) (_ context.Context, span sdktrace.ReadWriteSpan, exported bool) {
	local := new(Local)
	local.StartAt(time.Now())
	ctx, span, exported = t.StartIn(ctx, local)
	return trace.ContextWithSpan(ctx, span), span, exported
}

// StartIn is Start for who has a place for a local span, and a context of its own to carry
// the span: that returned is the tracer's, and may carry another. local, of which StartAt has
// been called, is used if the span is not the SDK's, and is not touched otherwise.
func (t *Template) StartIn(ctx context.Context, local *Local) (_ context.Context, span sdktrace.ReadWriteSpan, exported bool) {
	if span, exported, ok := t.StartOwn(trace.SpanFromContext(ctx), func() context.Context { return ctx }, local); ok {
		return ctx, span, exported
	}
	parent := ctx
	ctx, inner := t.tracer.Start(ctx, t.name, t.opts...)
	if rw, ok := inner.(sdktrace.ReadWriteSpan); ok && inner.IsRecording() {
		return ctx, rw, true
	}
	t.begin(local, trace.SpanFromContext(parent), inner)
	return ctx, local, inner.IsRecording()
}

// StartOwn is StartIn for a span that a TracerProvider of this package makes itself: there is
// no context of the tracer's then. origin is the span of the context, and ctx returns that,
// if sampler or processors are to see it. ok is false, and nothing has happened, if another
// provider makes the span.
func (t *Template) StartOwn(origin trace.Span, ctx func() context.Context, local *Local) (span sdktrace.ReadWriteSpan, exported, ok bool) {
	if !t.own.makes() {
		return nil, false, false
	}
	local.sdkSpan, local.template, local.origin = ended, t, origin
	return local, t.own.start(ctx, local), true
}

// StartLocal is StartIn without the tracer: for when that can't be used. As without an
// SDK, the span context is the parent's, so that what follows stays in the trace.
func (t *Template) StartLocal(ctx context.Context, local *Local) (context.Context, sdktrace.ReadWriteSpan) {
	var parent trace.SpanContext
	if !t.newRoot {
		parent = trace.SpanContextFromContext(ctx)
	}
	origin := trace.SpanFromContext(ctx)
	ctx = trace.ContextWithSpanContext(ctx, parent)
	t.begin(local, origin, trace.SpanFromContext(ctx))
	return ctx, local
}

func (t *Template) begin(s *Local, origin, inner trace.Span) {
	s.sdkSpan, s.template, s.inner, s.origin = ended, t, inner, origin
	s.context, s.exported = inner.SpanContext(), false
}
