package otelx

import (
	"context"
	"fmt"
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

// sdkSpan and sdkSnapshot are what spans of ours embed, because the SDK's span interfaces
// have a private method and may grow in a minor release: a method that ours do not know yet
// then answers as that of a span of the SDK does which has ended, where a nil interface would
// panic. They embed a pointer, which is half the size of an interface.
type (
	sdkSpan     struct{ sdktrace.ReadWriteSpan }
	sdkSnapshot struct{ sdktrace.ReadOnlySpan }
)

var (
	ended         = &sdkSpan{endedSpan(sdktrace.WithResource(resource.Empty()))}
	endedSnapshot = &sdkSnapshot{ended}
)

// endedSpan is a span of a provider of the SDK with these options, whatever its sampler.
func endedSpan(opts ...sdktrace.TracerProviderOption) sdktrace.ReadWriteSpan {
	tp := sdktrace.NewTracerProvider(append(opts, sdktrace.WithSampler(sdktrace.AlwaysSample()))...)
	_, span := tp.Tracer("").Start(context.Background(), "")
	span.End()
	rw, ok := span.(sdktrace.ReadWriteSpan)
	if !ok {
		panic("otelx: the SDK's spans are no ReadWriteSpan any more")
	}
	return rw
}

// Local is a span that is recorded here and not by the SDK, so that a span processor of
// ours can read and write every span, and that of a TracerProvider of ours costs less.
// Every call goes to the inner span too, which ignores it unless it belongs to a tracer
// that records in its own way.
//
// It is part of a larger object where there is one, see Template.StartIn, and small as
// long as nobody writes to it: each task has one.
type Local struct {
	*sdkSpan // ended

	template *Template
	inner    trace.Span
	origin   trace.Span // of the context that it was started with
	context  trace.SpanContext
	start    time.Time
	exported bool // to the processors of the template's provider

	over    bool       // it has ended; guarded, as what follows, by mu
	mu      sync.Mutex // guards what follows
	lasted  time.Duration
	written *snapshot // nil: as the template has it
}

// StartAt says when the span starts. It comes before a Template starts it.
func (s *Local) StartAt(t time.Time) { s.start = t }

// record calls fn under the lock, unless the span has ended.
func (s *Local) record(fn func(*snapshot)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	if s.written == nil {
		s.written = s.template.blank()
	}
	fn(s.written)
}

// End ends the span, once, and hands it to the processors if it is exported. If a function
// that panics has deferred it, the panic is recorded and goes on, as with the SDK.
func (s *Local) End(opts ...trace.SpanEndOption) {
	cfg := trace.NewSpanEndConfig(opts...)
	end := cfg.Timestamp()
	if end.IsZero() {
		end = time.Now()
	}
	if thrown := recover(); thrown != nil {
		defer panic(thrown)
		s.addException(typeName(thrown), fmt.Sprint(thrown), cfg.StackTrace())
	}
	s.finish(end)
	s.inner.End(opts...)
}

// EndAt is End with a timestamp, without what that option allocates.
func (s *Local) EndAt(end time.Time) {
	s.finish(end)
	if s.inner.IsRecording() {
		s.inner.End(trace.WithTimestamp(end))
	} else {
		s.inner.End()
	}
}

func (s *Local) finish(end time.Time) {
	if w := s.take(end.Sub(s.start), s.Parent()); w != nil {
		s.template.own.export(w)
	}
}

// take ends the span, and returns it as it is exported; nil if it is not, or had ended
// before. That leads to neither the task nor its context: a queue of spans keeps nothing
// else alive.
func (s *Local) take(lasted time.Duration, parent trace.SpanContext) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	s.over, s.lasted = true, lasted
	if !s.exported {
		return nil
	}
	if s.written == nil {
		s.written = s.template.blank()
	}
	w := s.written
	w.sdkSnapshot, w.template = endedSnapshot, s.template
	w.context, w.parent, w.start, w.lasted = s.context, parent, s.start, lasted
	if w.attrs == nil {
		w.attrs = s.template.attrs
	}
	return w
}

// IsRecording is true until the span ended, though nothing may export it: the
// attributes that user code guards with IsRecording shall reach the handlers.
func (s *Local) IsRecording() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.over
}

// Tell is AddLink, unless the link is invalid, and SetAttributes in one. All attributes must
// be valid, and their keys differ from each other and from the template's: where nothing else
// has set some, there is nothing to be searched for.
func (s *Local) Tell(link trace.SpanContext, kv []attribute.KeyValue) {
	s.record(func(w *snapshot) {
		if link.IsValid() {
			w.addLink(sdktrace.Link{SpanContext: link})
		}
		if all := len(s.template.attrs) + len(kv); w.attrs == nil && all <= limit {
			w.attrs = append(append(make([]attribute.KeyValue, 0, all), s.template.attrs...), kv...)
		} else {
			w.set(s.template, kv)
		}
	})
	if s.inner.IsRecording() {
		if link.IsValid() {
			s.inner.AddLink(trace.Link{SpanContext: link})
		}
		s.inner.SetAttributes(slices.Clone(kv)...)
	}
}

func (s *Local) SetAttributes(kv ...attribute.KeyValue) {
	s.record(func(w *snapshot) { w.set(s.template, kv) })
	if s.inner.IsRecording() {
		s.inner.SetAttributes(slices.Clone(kv)...) // so that kv need not be on the heap for others
	}
}

func (s *Local) SetName(name string) {
	s.record(func(w *snapshot) { w.name = name })
	s.inner.SetName(name)
}

// SetStatus follows the specification: Ok is final, and Unset changes nothing.
func (s *Local) SetStatus(code codes.Code, description string) {
	s.record(func(w *snapshot) {
		status := &w.more().status
		if status.Code > code {
			return
		}
		*status = sdktrace.Status{Code: code}
		if code == codes.Error {
			status.Description = description
		}
	})
	s.inner.SetStatus(code, description)
}

func (s *Local) AddEvent(name string, opts ...trace.EventOption) {
	s.record(func(w *snapshot) { w.addEvent(name, opts...) })
	s.inner.AddEvent(name, opts...)
}

// RecordError adds an exception event, as the SDK does. err's methods are user code:
// they are not called under the lock, nor for a span that has ended.
func (s *Local) RecordError(err error, opts ...trace.EventOption) {
	if err == nil {
		return
	}
	if s.IsRecording() {
		c := trace.NewEventConfig(opts...)
		s.addException(typeName(err), err.Error(), c.StackTrace(), opts...)
	}
	s.inner.RecordError(err, opts...)
}

func (s *Local) addException(typ, message string, withStack bool, opts ...trace.EventOption) {
	all := append(slices.Clone(opts), trace.WithAttributes(
		attribute.String(taskconv.ExceptionType, typ),
		attribute.String(taskconv.ExceptionMessage, message)))
	if withStack {
		all = append(all, trace.WithAttributes(attribute.String(taskconv.ExceptionStacktrace, stack())))
	}
	s.record(func(w *snapshot) { w.addEvent(taskconv.ExceptionEvent, all...) })
}

// AddLink ignores a link that says nothing, as the SDK does.
func (s *Local) AddLink(l trace.Link) {
	if l.SpanContext.IsValid() || len(l.Attributes) > 0 || l.SpanContext.TraceState().Len() > 0 {
		s.record(func(w *snapshot) {
			link := sdktrace.Link{SpanContext: l.SpanContext}
			link.Attributes, link.DroppedAttributeCount = capped(l.Attributes)
			w.addLink(link)
		})
	}
	s.inner.AddLink(l)
}

func (s *Local) TracerProvider() trace.TracerProvider { return s.inner.TracerProvider() }
func (s *Local) SpanContext() trace.SpanContext       { return s.context }
func (s *Local) SpanKind() trace.SpanKind             { return s.template.kind }
func (s *Local) StartTime() time.Time                 { return s.start }
func (s *Local) ChildSpanCount() int                  { return 0 }

func (s *Local) Parent() trace.SpanContext {
	if s.template.newRoot {
		return trace.SpanContext{}
	}
	return s.origin.SpanContext()
}

// Origin is the span of the context that this one was started with, its parent or not.
func (s *Local) Origin() trace.SpanContext { return s.origin.SpanContext() }

func (s *Local) EndTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		return time.Time{}
	}
	return s.start.Add(s.lasted)
}

func (s *Local) Name() string { return read(s, func(w *snapshot) string { return w.name }) }

func (s *Local) DroppedAttributes() int {
	return read(s, func(w *snapshot) int { return w.DroppedAttributes() })
}

func (s *Local) DroppedEvents() int {
	return read(s, func(w *snapshot) int { return w.DroppedEvents() })
}

func (s *Local) DroppedLinks() int { return read(s, func(w *snapshot) int { return w.DroppedLinks() }) }

func (s *Local) Status() sdktrace.Status {
	return read(s, func(w *snapshot) sdktrace.Status { return w.Status() })
}

func (s *Local) Events() []sdktrace.Event {
	return read(s, func(w *snapshot) []sdktrace.Event { return slices.Clone(w.Events()) })
}

func (s *Local) Links() []sdktrace.Link {
	return read(s, func(w *snapshot) []sdktrace.Link { return slices.Clone(w.links) })
}

func (s *Local) Attributes() []attribute.KeyValue {
	return read(s, func(w *snapshot) []attribute.KeyValue {
		if w.attrs == nil {
			return slices.Clone(s.template.attrs)
		}
		return slices.Clone(w.attrs)
	})
}

// Resource is that of the provider, if it exports the span; else it is empty.
func (s *Local) Resource() *resource.Resource {
	if s.exported {
		return s.template.own.resource
	}
	return ended.Resource()
}

func (s *Local) InstrumentationScope() instrumentation.Scope { return s.template.scope }

// InstrumentationLibrary is the old name of InstrumentationScope.
//
// Deprecated: the interface asks for it; use InstrumentationScope.
func (s *Local) InstrumentationLibrary() instrumentation.Library { //nolint:staticcheck // see above
	return s.template.scope
}

func read[T any](s *Local, fn func(*snapshot) T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written == nil {
		return fn(s.template.blank())
	}
	return fn(s.written)
}
