package otelx_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postlude/postlude/otelx"
)

// limit is the SDK's default for everything that it bounds.
const limit = sdktrace.DefaultAttributeCountLimit

// Ok is final, Error outranks Unset, and only Error has a description.
func TestStatus(t *testing.T) {
	type set struct {
		code        codes.Code
		description string
	}
	for _, c := range []struct {
		name string
		sets []set
		want set
	}{
		{"none", nil, set{}},
		{"Unset has no description", []set{{codes.Unset, "a"}}, set{}},
		{"Error", []set{{codes.Error, "a"}}, set{codes.Error, "a"}},
		{"last Error", []set{{codes.Error, "a"}, {codes.Error, "b"}}, set{codes.Error, "b"}},
		{"Unset after Error", []set{{codes.Error, "a"}, {codes.Unset, ""}}, set{codes.Error, "a"}},
		{"Ok has no description", []set{{codes.Ok, "a"}}, set{codes.Ok, ""}},
		{"Ok after Error", []set{{codes.Error, "a"}, {codes.Ok, ""}}, set{codes.Ok, ""}},
		{"Error after Ok", []set{{codes.Ok, ""}, {codes.Error, "a"}}, set{codes.Ok, ""}},
	} {
		span := local(t)
		for _, s := range c.sets {
			span.SetStatus(s.code, s.description)
		}
		if got := span.Status(); got != (sdktrace.Status{Code: c.want.code, Description: c.want.description}) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestSpanKind(t *testing.T) {
	if got := local(t).SpanKind(); got != trace.SpanKindInternal {
		t.Errorf("a span without a kind is %v", got)
	}
}

// RecordError takes the type as the SDK does: of the error as given, qualified by the
// whole import path unless it is a pointer.
func TestRecordError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("a"), "*errors.errorString"},
		{fmt.Errorf("a: %w", fs.ErrNotExist), "*fmt.wrapError"},
		{value("a"), "github.com/postlude/postlude/otelx_test.value"},
		{(*pointer)(nil), "*otelx_test.pointer"},
	} {
		span := local(t)
		span.RecordError(c.err, trace.WithAttributes(attribute.Int("n", 1)), trace.WithStackTrace(true))
		e := span.Events()[0]
		got := asMap(t, e.Attributes)
		if e.Name != "exception" || got["exception.type"].AsString() != c.want ||
			got["exception.message"].AsString() != c.err.Error() || got["n"].AsInt64() != 1 {
			t.Errorf("%s: %v", c.want, e)
		}
		if stack := got["exception.stacktrace"].AsString(); !strings.Contains(stack, "TestRecordError") {
			t.Errorf("%s: stack %s", c.want, stack)
		}
		if s := span.Status(); s.Code != codes.Unset {
			t.Errorf("RecordError set the status %v", s)
		}
	}
}

type value string

func (v value) Error() string { return string(v) }

type pointer struct{}

func (*pointer) Error() string { return "a nil pointer" }

// An error's Error method may use the span: it must not run under the span's lock. It
// is not called for a span that has ended.
func TestRecordErrorReentrant(t *testing.T) {
	span := local(t)
	calls := 0
	err := errorFunc(func() string {
		calls++
		span.SetAttributes(attribute.Bool("told", true))
		return "reentrant"
	})
	span.RecordError(err)
	if len(span.Attributes()) != 1 || len(span.Events()) != 1 {
		t.Errorf("%v, %v", span.Attributes(), span.Events())
	}
	span.End()
	calls = 0
	span.RecordError(err)
	if calls != 0 {
		t.Error("Error was called after End")
	}
}

// A panic of an Error method leaves the span unlocked.
func TestRecordErrorPanics(t *testing.T) {
	span := local(t)
	func() {
		defer func() { _ = recover() }()
		span.RecordError(errorFunc(func() string { panic("no") }))
	}()
	span.AddEvent("after")
	if len(span.Events()) != 1 {
		t.Error(span.Events())
	}
}

type errorFunc func() string

func (f errorFunc) Error() string { return f() }

// Beyond the limits, new keys are dropped and old ones still change; of events and
// links, the oldest are dropped.
func TestLimits(t *testing.T) {
	const beyond = 7
	span := local(t, attribute.String("key0", "template"))
	for i := range limit + beyond {
		n := strconv.Itoa(i)
		span.SetAttributes(attribute.Int("key"+n, i))
		span.AddEvent(n)
		span.AddLink(trace.Link{Attributes: []attribute.KeyValue{attribute.Int("n", i)}})
	}
	span.SetAttributes(attribute.String("key1", "changed"), attribute.Int("", 1))
	attrs := asMap(t, span.Attributes())
	if len(attrs) != limit || attrs["key0"].AsInt64() != 0 || attrs["key1"].AsString() != "changed" {
		t.Errorf("%d attributes: %v", len(attrs), attrs)
	}
	if got := span.DroppedAttributes(); got != beyond+1 { // and the one without a key
		t.Errorf("%d attributes were dropped", got)
	}
	events, links := span.Events(), span.Links()
	if len(events) != limit || events[0].Name != strconv.Itoa(beyond) || span.DroppedEvents() != beyond {
		t.Errorf("%d events from %s on, %d dropped", len(events), events[0].Name, span.DroppedEvents())
	}
	if len(links) != limit || links[0].Attributes[0].Value.AsInt64() != beyond || span.DroppedLinks() != beyond {
		t.Errorf("%d links from %v on, %d dropped", len(links), links[0], span.DroppedLinks())
	}
}

// The attributes of a Template, an event and a link have the same limit.
func TestLimitsWithin(t *testing.T) {
	many := []attribute.KeyValue{attribute.Int("", 0)} // without a key: invalid
	for i := range limit + 2 {
		many = append(many, attribute.Int("key"+strconv.Itoa(i), i))
	}
	span := local(t, many...)
	span.AddEvent("event", trace.WithAttributes(many...))
	span.AddLink(trace.Link{Attributes: many})
	if got := len(span.Attributes()); got != limit || span.DroppedAttributes() != 3 {
		t.Errorf("%d attributes, %d dropped", got, span.DroppedAttributes())
	}
	if e := span.Events()[0]; len(e.Attributes) != limit || e.DroppedAttributeCount != 3 {
		t.Errorf("event: %d attributes, %d dropped", len(e.Attributes), e.DroppedAttributeCount)
	}
	if l := span.Links()[0]; len(l.Attributes) != limit || l.DroppedAttributeCount != 3 {
		t.Errorf("link: %d attributes, %d dropped", len(l.Attributes), l.DroppedAttributeCount)
	}
}

// What was read is the reader's, what was given the giver's: neither changes later.
func TestSpanCopies(t *testing.T) {
	span := local(t)
	given := []attribute.KeyValue{attribute.Int("a", 1)}
	span.SetAttributes(given...)
	span.AddEvent("event", trace.WithAttributes(given...))
	span.AddLink(trace.Link{Attributes: given})
	given[0] = attribute.Int("a", 2)

	attrs, events, links := span.Attributes(), span.Events(), span.Links()
	span.SetAttributes(attribute.Int("a", 3))
	for range limit {
		span.AddEvent("more") // pushes the first one out, in place
		span.AddLink(trace.Link{Attributes: []attribute.KeyValue{attribute.Int("more", 1)}})
	}
	want := []attribute.KeyValue{attribute.Int("a", 1)}
	if !slices.Equal(attrs, want) || events[0].Name != "event" || !slices.Equal(events[0].Attributes, want) || !slices.Equal(links[0].Attributes, want) {
		t.Errorf("%v, %v, %v", attrs, events, links)
	}
}

// The start and the end are on the monotonic clock, so that a clock that is set back
// in between makes no negative duration.
func TestTimes(t *testing.T) {
	span := local(t)
	before := time.Now()
	span.End(trace.WithTimestamp(time.Time{})) // none
	end := span.EndTime()
	if end.Before(before) || end.After(time.Now()) || !strings.Contains(end.String(), "m=") || !strings.Contains(span.StartTime().String(), "m=") {
		t.Errorf("from %v to %v", span.StartTime(), end)
	}
	span.End(trace.WithTimestamp(time.Unix(1, 0)))
	if span.EndTime() != end {
		t.Error("a second End changed the time")
	}
}

// No method of the interface may panic, not even one that a later SDK adds: Local
// embeds a span that answers those it does not know.
func TestEveryMethod(t *testing.T) {
	iface := reflect.TypeFor[sdktrace.ReadWriteSpan]()
	for m := range iface.Methods() {
		required := m.Type.NumIn()
		if m.Type.IsVariadic() {
			required--
		}
		if !m.IsExported() || required > 0 {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			for _, s := range locals() {
				for _, ended := range []bool{false, true} {
					_, span, _ := otelx.NewTemplate(otelx.TemplateConfig{Tracer: s.tracer(), Name: "it"}).Start(t.Context())
					if ended {
						span.End()
					}
					out := reflect.ValueOf(span).MethodByName(m.Name).Call(nil)
					for _, v := range out {
						if k := v.Kind(); (k == reflect.Pointer || k == reflect.Interface) && v.IsNil() {
							t.Errorf("%s: it returned nil", s.name)
						}
					}
				}
			}
		})
	}
}

// Run it with -race -count=20.
func TestLocalSpanConcurrentSafe(t *testing.T) {
	const goroutines, rounds = 16, 50
	span := local(t, attribute.Int("template", 1))
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range rounds {
				span.SetAttributes(attribute.Int("key"+strconv.Itoa(g), i), attribute.Int("template", i))
				span.AddEvent("event", trace.WithAttributes(attribute.Int("n", i)))
				span.RecordError(value("failed"), trace.WithStackTrace(i == 0))
				span.AddLink(trace.Link{Attributes: []attribute.KeyValue{attribute.Int("n", i)}})
				span.SetName("name" + strconv.Itoa(i))
				span.SetStatus(codes.Error, "failed")
				if i%8 == 0 {
					readAll(span)
				}
				if g == 0 && i == rounds/2 {
					span.End()
				}
			}
			span.End()
		})
	}
	wg.Wait()
	if span.IsRecording() || span.EndTime().IsZero() {
		t.Error("the span has not ended")
	}
	if got := asMap(t, span.Attributes()); len(got) > goroutines+1 {
		t.Errorf("%d attributes", len(got))
	}
	if len(span.Events()) > limit || len(span.Links()) > limit {
		t.Errorf("%d events, %d links", len(span.Events()), len(span.Links()))
	}
}

// readAll calls every method that reads, and looks into what it returns.
func readAll(s sdktrace.ReadWriteSpan) {
	_ = fmt.Sprint(s.Name(), s.SpanContext(), s.Parent(), s.SpanKind(), s.StartTime(), s.EndTime(), s.Attributes(),
		s.Links(), s.Events(), s.Status(), s.InstrumentationScope(), s.Resource(), s.DroppedAttributes(),
		s.DroppedEvents(), s.DroppedLinks(), s.ChildSpanCount(), s.IsRecording(), s.TracerProvider() != nil)
}

// TestTell: it does what AddLink and SetAttributes do, whatever is there already.
func TestTell(t *testing.T) {
	link := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	many := make([]attribute.KeyValue, 127)
	for i := range many {
		many[i] = attribute.Int(fmt.Sprint("many", i), i)
	}
	for name, before := range map[string][]attribute.KeyValue{
		"nothing": nil, "others": {attribute.Int("other", 1)}, "the same": {attribute.Int("b", 1)}, "as many as fit": many,
	} {
		for _, link := range []trace.SpanContext{link, {}} {
			for _, recording := range []bool{false, true} {
				told, toldInner := tellable(recording)
				set, setInner := tellable(recording)
				for _, s := range []*otelx.Local{told, set} {
					s.SetAttributes(before...)
				}
				kv := []attribute.KeyValue{attribute.Int("b", 2), attribute.Int("c", 3)}
				told.Tell(link, kv)
				if link.IsValid() {
					set.AddLink(trace.Link{SpanContext: link})
				}
				set.SetAttributes(kv...)
				clear(kv) // it is the caller's
				compare(t, set, told)
				if got, want := fmt.Sprint(toldInner.links, toldInner.attrs), fmt.Sprint(setInner.links, setInner.attrs); got != want {
					t.Errorf("the inner span has %s, and not %s", got, want)
				}
				if t.Failed() {
					t.Fatalf("%s, link %v, recording %v", name, link.IsValid(), recording)
				}
				told.End()
				told.Tell(link, []attribute.KeyValue{attribute.Int("late", 1)})
				if n := len(told.Attributes()); n != len(set.Attributes()) {
					t.Errorf("%s: %d attributes after the end", name, n)
				}
			}
		}
	}
}

// tellable is a local span, and its inner span, which records if it is to.
func tellable(recording bool) (*otelx.Local, *foreignSpan) {
	tp := foreign{last: new(foreignSpan)}
	c := otelx.TemplateConfig{Name: "it", Attributes: []attribute.KeyValue{attribute.Int("a", 1)}}
	if c.Tracer = noop.NewTracerProvider().Tracer(""); recording {
		c.Tracer = tp.Tracer("")
	}
	span := new(otelx.Local)
	span.StartAt(time.Unix(1, 0))
	otelx.NewTemplate(c).StartIn(context.Background(), span)
	return span, tp.last
}
