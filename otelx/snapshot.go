package otelx

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// snapshot is what was recorded on a local span. Once that has ended nobody writes to it
// any more, and it is what the processors get of an exported span.
type snapshot struct {
	name    string
	attrs   []attribute.KeyValue // nil while they are the template's, which are shared
	events  []sdktrace.Event
	links   []sdktrace.Link
	status  sdktrace.Status
	dropped struct{ attrs, events, links int }

	// What follows is there once the span has ended, if it is exported.
	sdktrace.ReadOnlySpan // see ended
	template              *Template
	context, parent       trace.SpanContext
	start, end            time.Time

	link [1]sdktrace.Link // space for the one that most have
}

// blank is what is recorded on a span that nobody has written to.
func (t *Template) blank() *snapshot {
	w := &snapshot{name: t.name}
	w.dropped.attrs = t.dropped
	w.links = w.link[:0]
	return w
}

func (w *snapshot) addEvent(name string, opts ...trace.EventOption) {
	c := trace.NewEventConfig(opts...)
	e := sdktrace.Event{Name: name, Time: c.Timestamp()}
	e.Attributes, e.DroppedAttributeCount = capped(c.Attributes())
	w.events = push(w.events, e, &w.dropped.events)
}

func (w *snapshot) Name() string                                { return w.name }
func (w *snapshot) SpanContext() trace.SpanContext              { return w.context }
func (w *snapshot) Parent() trace.SpanContext                   { return w.parent }
func (w *snapshot) SpanKind() trace.SpanKind                    { return w.template.kind }
func (w *snapshot) StartTime() time.Time                        { return w.start }
func (w *snapshot) EndTime() time.Time                          { return w.end }
func (w *snapshot) Attributes() []attribute.KeyValue            { return w.attrs }
func (w *snapshot) Links() []sdktrace.Link                      { return w.links }
func (w *snapshot) Events() []sdktrace.Event                    { return w.events }
func (w *snapshot) Status() sdktrace.Status                     { return w.status }
func (w *snapshot) Resource() *resource.Resource                { return w.template.own.resource }
func (w *snapshot) DroppedAttributes() int                      { return w.dropped.attrs }
func (w *snapshot) DroppedEvents() int                          { return w.dropped.events }
func (w *snapshot) DroppedLinks() int                           { return w.dropped.links }
func (w *snapshot) ChildSpanCount() int                         { return 0 }
func (w *snapshot) InstrumentationScope() instrumentation.Scope { return w.template.scope }

// InstrumentationLibrary is the old name of InstrumentationScope.
//
// Deprecated: the interface asks for it; use InstrumentationScope.
func (w *snapshot) InstrumentationLibrary() instrumentation.Library { //nolint:staticcheck // see above
	return w.template.scope
}
