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
	name  string
	attrs []attribute.KeyValue // nil while they are the template's, which are shared
	links []sdktrace.Link
	rest  *rest // nil: nothing of it

	// What follows is there once the span has ended, if it is exported.
	*sdkSnapshot    // of a span that ended
	template        *Template
	context, parent trace.SpanContext
	start           time.Time
	lasted          time.Duration

	link [1]sdktrace.Link // space for the one that most have
}

// rest is what the span of a success has nothing of.
type rest struct {
	events  []sdktrace.Event
	status  sdktrace.Status
	dropped dropped

	event [1]sdktrace.Event // space for the one that a failure has
}

// dropped counts what the limits of a span left no room for.
type dropped struct{ attrs, events, links int }

// blank is what is recorded on a span that nobody has written to.
func (t *Template) blank() *snapshot {
	w := &snapshot{name: t.name}
	w.links = w.link[:0]
	w.drop(dropped{attrs: t.dropped})
	return w
}

// more returns the rest, to be written to.
func (w *snapshot) more() *rest {
	if w.rest == nil {
		w.rest = new(rest)
		w.rest.events = w.rest.event[:0]
	}
	return w.rest
}

// have returns the rest, to be read.
func (w *snapshot) have() rest {
	if w.rest == nil {
		return rest{}
	}
	return *w.rest
}

// drop adds to what was dropped.
func (w *snapshot) drop(n dropped) {
	if n != (dropped{}) {
		d := &w.more().dropped
		d.attrs, d.events, d.links = d.attrs+n.attrs, d.events+n.events, d.links+n.links
	}
}

// set sets attributes; kv is not kept.
func (w *snapshot) set(t *Template, kv []attribute.KeyValue) {
	if w.attrs == nil {
		w.attrs = make([]attribute.KeyValue, 0, len(t.attrs)+len(kv))
		w.attrs = append(w.attrs, t.attrs...)
	}
	w.put(kv)
}

func (w *snapshot) put(kv []attribute.KeyValue) {
	var n int
	w.attrs, n = put(w.attrs, kv)
	w.drop(dropped{attrs: n})
}

func (w *snapshot) addLink(l sdktrace.Link) {
	var n int
	w.links, n = push(w.links, l)
	w.drop(dropped{links: n})
}

func (w *snapshot) addEvent(name string, opts ...trace.EventOption) {
	c := trace.NewEventConfig(opts...)
	e := sdktrace.Event{Name: name, Time: c.Timestamp()}
	e.Attributes, e.DroppedAttributeCount = capped(c.Attributes())
	events, n := push(w.more().events, e)
	w.rest.events = events
	w.drop(dropped{events: n})
}

func (w *snapshot) Name() string                                { return w.name }
func (w *snapshot) SpanContext() trace.SpanContext              { return w.context }
func (w *snapshot) Parent() trace.SpanContext                   { return w.parent }
func (w *snapshot) SpanKind() trace.SpanKind                    { return w.template.kind }
func (w *snapshot) StartTime() time.Time                        { return w.start }
func (w *snapshot) EndTime() time.Time                          { return w.start.Add(w.lasted) }
func (w *snapshot) Attributes() []attribute.KeyValue            { return w.attrs }
func (w *snapshot) Links() []sdktrace.Link                      { return w.links }
func (w *snapshot) Events() []sdktrace.Event                    { return w.have().events }
func (w *snapshot) Status() sdktrace.Status                     { return w.have().status }
func (w *snapshot) Resource() *resource.Resource                { return w.template.own.resource }
func (w *snapshot) DroppedAttributes() int                      { return w.have().dropped.attrs }
func (w *snapshot) DroppedEvents() int                          { return w.have().dropped.events }
func (w *snapshot) DroppedLinks() int                           { return w.have().dropped.links }
func (w *snapshot) ChildSpanCount() int                         { return 0 }
func (w *snapshot) InstrumentationScope() instrumentation.Scope { return w.template.scope }

// InstrumentationLibrary is the old name of InstrumentationScope.
//
// Deprecated: the interface asks for it; use InstrumentationScope.
func (w *snapshot) InstrumentationLibrary() instrumentation.Library { //nolint:staticcheck // see above
	return w.template.scope
}
