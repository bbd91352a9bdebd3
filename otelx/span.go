package otelx

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/runtime/taskconv"
)

// ended is a real SDK span that has ended. localSpan embeds it, because the SDK's
// span interfaces have a private method and may grow in a minor release: a method
// that localSpan does not know yet then answers like an ended span does, where an
// embedded nil interface would panic.
var ended = func() sdktrace.ReadWriteSpan {
	tp := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.Empty()),
	)
	_, span := tp.Tracer("").Start(context.Background(), "")
	span.End()
	rw, ok := span.(sdktrace.ReadWriteSpan)
	if !ok {
		panic("otelx: the SDK's spans are no ReadWriteSpan any more")
	}
	return rw
}()

// localSpan records what the SDK does not, so that a span processor of ours can
// read and write every span. Every call goes to the inner span too, which ignores
// it unless it belongs to a tracer that records in its own way.
type localSpan struct {
	sdktrace.ReadWriteSpan // see ended

	template *Template
	inner    trace.Span
	parent   trace.SpanContext
	start    time.Time

	mu      sync.Mutex // guards what follows
	name    string
	end     time.Time
	attrs   []attribute.KeyValue // nil while they are the template's, which are shared
	events  []sdktrace.Event
	links   []sdktrace.Link
	status  sdktrace.Status
	dropped struct{ attrs, events, links int }
}

// record calls fn under the lock, unless the span has ended.
func (s *localSpan) record(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end.IsZero() {
		fn()
	}
}

func (s *localSpan) End(opts ...trace.SpanEndOption) {
	cfg := trace.NewSpanEndConfig(opts...)
	end := cfg.Timestamp()
	if end.IsZero() {
		end = time.Now()
	}
	s.record(func() { s.end = end })
	s.inner.End(opts...)
}

// IsRecording is true until the span ended, though nothing may export it: the
// attributes that user code guards with IsRecording shall reach the handlers.
func (s *localSpan) IsRecording() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end.IsZero()
}

func (s *localSpan) SetAttributes(kv ...attribute.KeyValue) {
	s.record(func() {
		if s.attrs == nil {
			s.attrs = make([]attribute.KeyValue, 0, len(s.template.attrs)+len(kv))
			s.attrs = append(s.attrs, s.template.attrs...)
		}
		s.attrs = put(s.attrs, kv, &s.dropped.attrs)
	})
	s.inner.SetAttributes(kv...)
}

func (s *localSpan) SetName(name string) {
	s.record(func() { s.name = name })
	s.inner.SetName(name)
}

// SetStatus follows the specification: Ok is final, and Unset changes nothing.
func (s *localSpan) SetStatus(code codes.Code, description string) {
	s.record(func() {
		if s.status.Code > code {
			return
		}
		s.status = sdktrace.Status{Code: code}
		if code == codes.Error {
			s.status.Description = description
		}
	})
	s.inner.SetStatus(code, description)
}

func (s *localSpan) AddEvent(name string, opts ...trace.EventOption) {
	s.record(func() { s.addEvent(name, opts...) })
	s.inner.AddEvent(name, opts...)
}

// RecordError adds an exception event, as the SDK does. err's methods are user code:
// they are not called under the lock, nor for a span that has ended.
func (s *localSpan) RecordError(err error, opts ...trace.EventOption) {
	if err == nil {
		return
	}
	if s.IsRecording() {
		all := append(slices.Clone(opts), trace.WithAttributes(
			attribute.String(taskconv.ExceptionType, typeName(err)),
			attribute.String(taskconv.ExceptionMessage, err.Error())))
		if c := trace.NewEventConfig(opts...); c.StackTrace() {
			all = append(all, trace.WithAttributes(attribute.String(taskconv.ExceptionStacktrace, stack())))
		}
		s.record(func() { s.addEvent(taskconv.ExceptionEvent, all...) })
	}
	s.inner.RecordError(err, opts...)
}

func (s *localSpan) addEvent(name string, opts ...trace.EventOption) {
	c := trace.NewEventConfig(opts...)
	e := sdktrace.Event{Name: name, Time: c.Timestamp()}
	e.Attributes, e.DroppedAttributeCount = capped(c.Attributes())
	s.events = push(s.events, e, &s.dropped.events)
}

// AddLink ignores a link that says nothing, as the SDK does.
func (s *localSpan) AddLink(l trace.Link) {
	if l.SpanContext.IsValid() || len(l.Attributes) > 0 || l.SpanContext.TraceState().Len() > 0 {
		s.record(func() {
			link := sdktrace.Link{SpanContext: l.SpanContext}
			link.Attributes, link.DroppedAttributeCount = capped(l.Attributes)
			s.links = push(s.links, link, &s.dropped.links)
		})
	}
	s.inner.AddLink(l)
}

func (s *localSpan) TracerProvider() trace.TracerProvider { return s.inner.TracerProvider() }
func (s *localSpan) SpanContext() trace.SpanContext       { return s.inner.SpanContext() }
func (s *localSpan) Parent() trace.SpanContext            { return s.parent }
func (s *localSpan) SpanKind() trace.SpanKind             { return s.template.kind }
func (s *localSpan) StartTime() time.Time                 { return s.start }
func (s *localSpan) ChildSpanCount() int                  { return 0 }
func (s *localSpan) Name() string                         { return read(s, func() string { return s.name }) }

func (s *localSpan) DroppedAttributes() int { return read(s, func() int { return s.dropped.attrs }) }

func (s *localSpan) DroppedEvents() int { return read(s, func() int { return s.dropped.events }) }

func (s *localSpan) DroppedLinks() int { return read(s, func() int { return s.dropped.links }) }

func (s *localSpan) EndTime() time.Time { return read(s, func() time.Time { return s.end }) }

func (s *localSpan) Status() sdktrace.Status {
	return read(s, func() sdktrace.Status { return s.status })
}

func (s *localSpan) Events() []sdktrace.Event {
	return read(s, func() []sdktrace.Event { return slices.Clone(s.events) })
}

func (s *localSpan) Links() []sdktrace.Link {
	return read(s, func() []sdktrace.Link { return slices.Clone(s.links) })
}

func (s *localSpan) Attributes() []attribute.KeyValue {
	return read(s, func() []attribute.KeyValue {
		if s.attrs == nil {
			return slices.Clone(s.template.attrs)
		}
		return slices.Clone(s.attrs)
	})
}

func (s *localSpan) InstrumentationScope() instrumentation.Scope { return s.template.scope }

// InstrumentationLibrary is the old name of InstrumentationScope.
//
// Deprecated: the interface asks for it; use InstrumentationScope.
func (s *localSpan) InstrumentationLibrary() instrumentation.Library { //nolint:staticcheck // see above
	return s.template.scope
}

func read[T any](s *localSpan, fn func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn()
}
