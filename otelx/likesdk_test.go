package otelx_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/otelx"
)

// FuzzLocalSpanLikeSDK writes the same to a span that the SDK records and to those that
// are recorded here. Whoever reads them must not see which is which: a handler's
// decision may not depend on the sampler. The bytes say what is written.
func FuzzLocalSpanLikeSDK(f *testing.F) {
	f.Add([]byte{})
	for op := range byte(ops) {
		f.Add([]byte{op, 0, op, 1, op, 2, op, 255})
	}
	f.Add([]byte{opMany, 255, opMany, 255, opAttribute, 1, opAttribute, 0})    // keys beyond the limit, then old ones and none
	f.Add([]byte{opEvents, 100, opEvents, 100, opLinks, 100, opLinks, 100})    // the oldest make room
	f.Add([]byte{opStatus, 2, opStatus, 1, opStatus, 0, opEnd, 1, opMany, 10}) // Ok is final, and so is End
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 400 {
			t.Skip("long programs find nothing that short ones don't")
		}
		given := startAttributes(program)
		config := otelx.TemplateConfig{Tracer: sampledBy(sdktrace.AlwaysSample()), Scope: scope, Name: "it", Attributes: given}
		_, theirs, exported := otelx.NewTemplate(config).Start(t.Context())
		config.Tracer = sampledBy(sdktrace.NeverSample())
		_, unsampled, local := otelx.NewTemplate(config).Start(t.Context())
		config.Tracer = ours(sdktrace.AlwaysSample())
		_, own, exportedToo := otelx.NewTemplate(config).Start(t.Context())
		if !exported || local || !exportedToo {
			t.Fatal("the setup is wrong")
		}
		all := []sdktrace.ReadWriteSpan{unsampled, own}
		for len(program) >= 2 {
			op, n := program[0]%ops, program[1]
			write(theirs, op, n)
			for _, ours := range all {
				write(ours, op, n)
				if op == opRead {
					compare(t, theirs, ours)
				}
			}
			program = program[2:]
		}
		for _, ours := range all {
			compare(t, theirs, ours)
		}
	})
}

// FuzzExportedLikeSDK is FuzzLocalSpanLikeSDK for what the processors get in the end.
func FuzzExportedLikeSDK(f *testing.F) {
	f.Add([]byte{})
	for op := range byte(ops) {
		f.Add([]byte{op, 0, op, 1, op, 2, op, 255})
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 400 {
			t.Skip("long programs find nothing that short ones don't")
		}
		var theirs, ours collector
		res := resource.NewSchemaless(attribute.String("service.name", "shop"))
		for tp, got := range map[trace.TracerProvider]*collector{
			sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(&theirs), sdktrace.WithResource(res)):               &theirs,
			otelx.NewTracerProvider(otelx.ProviderConfig{Processors: []sdktrace.SpanProcessor{&ours}, Resource: res}): &ours,
		} {
			template := otelx.NewTemplate(otelx.TemplateConfig{
				Tracer: tracerOf(tp), Scope: scope, Name: "it", Kind: trace.SpanKindProducer, Attributes: startAttributes(program),
			})
			_, span, _ := template.Start(t.Context())
			for rest := program; len(rest) >= 2; rest = rest[2:] {
				write(span, rest[0]%ops, rest[1])
			}
			span.End(trace.WithTimestamp(time.Unix(1e6, 0)))
			span.End()
			if len(got.started) != 1 || len(got.ended) != 1 {
				t.Fatalf("%T: %d started, %d ended", tp, len(got.started), len(got.ended))
			}
		}
		compare(t, theirs.ended[0], ours.ended[0])
		if !theirs.ended[0].Resource().Equal(ours.ended[0].Resource()) {
			t.Errorf("resource %v, and not %v", ours.ended[0].Resource(), theirs.ended[0].Resource())
		}
	})
}

// TestDeferredEndLikeSDK: what is thrown by a function that has deferred End is on its span,
// once, and is thrown on.
func TestDeferredEndLikeSDK(t *testing.T) {
	never := sampledBy(sdktrace.NeverSample())
	for _, thrown := range []any{"text", 7, someErrors[1], value("error")} {
		for _, stack := range []bool{false, true} {
			theirs := endByPanic(t, sampledBy(sdktrace.AlwaysSample()), thrown, stack)
			for _, tr := range []trace.Tracer{never, ours(sdktrace.AlwaysSample())} {
				if got := endByPanic(t, tr, thrown, stack); !slices.Equal(got, theirs) || len(got) < 3 {
					t.Errorf("%v:\nSDK  %v\nours %v", thrown, theirs, got)
				}
			}
		}
	}
}

// endByPanic tells what the span has of a panic: its events, without times and stacks.
func endByPanic(t *testing.T, tr trace.Tracer, thrown any, stack bool) (events []string) {
	t.Helper()
	_, span, _ := otelx.NewTemplate(otelx.TemplateConfig{Tracer: tr, Scope: scope, Name: "it"}).Start(t.Context())
	func() {
		defer func() {
			if got := recover(); got != thrown {
				t.Errorf("%T threw %v", span, got)
			}
		}()
		defer span.End() // nothing: it has ended
		defer span.End(trace.WithStackTrace(stack))
		panic(thrown)
	}()
	for _, e := range span.Events() {
		events = append(events, e.Name)
		for _, kv := range e.Attributes {
			if kv.Key == "exception.stacktrace" {
				kv.Value = attribute.BoolValue(kv.Value.AsString() != "")
			}
			events = append(events, fmt.Sprint(kv))
		}
	}
	return events
}

const (
	opAttribute = iota
	opMany
	opMixed
	opEvent
	opEvents
	opBigEvent
	opError
	opLink
	opLinks
	opStatus
	opName
	opEnd
	opRead
	ops
)

// startAttributes has repeated and invalid keys, and now and then too many.
func startAttributes(program []byte) (attrs []attribute.KeyValue) {
	if len(program) == 0 {
		return nil
	}
	for i := range int(program[0]) {
		attrs = append(attrs, keyValue(byte(i*7), i))
	}
	return attrs
}

// keyValue has one of a few keys: 0 is none, which is invalid.
func keyValue(n byte, value int) attribute.KeyValue {
	if n == 0 {
		return attribute.Int("", value)
	}
	key := "key" + strconv.Itoa(int(n))
	switch value % 4 {
	case 0:
		return attribute.String(key, strconv.Itoa(value))
	case 1:
		return attribute.StringSlice(key, []string{"a", strconv.Itoa(value)})
	case 2:
		return attribute.Float64(key, float64(value)/3)
	}
	return attribute.Int(key, value)
}

func keyValues(n byte, value int) (attrs []attribute.KeyValue) {
	for i := range n {
		attrs = append(attrs, keyValue(i, value+int(i)))
	}
	return attrs
}

func write(s sdktrace.ReadWriteSpan, op, n byte) {
	at := trace.WithTimestamp(time.Unix(int64(n)+1, 0))
	switch op {
	case opAttribute:
		s.SetAttributes(keyValue(n%16, int(n)))
	case opMany:
		s.SetAttributes(keyValues(n, int(n))...)
	case opMixed: // the same key twice in a call, and one in between
		s.SetAttributes(keyValue(n, 1), keyValue(n/2, 2), keyValue(n, 3))
	case opEvent:
		s.AddEvent("event"+strconv.Itoa(int(n)), at, trace.WithAttributes(keyValue(n, 1)), trace.WithAttributes(keyValue(n, 2)))
	case opEvents:
		for i := range n {
			s.AddEvent("event"+strconv.Itoa(int(i)), at)
		}
	case opBigEvent:
		s.AddEvent("big", at, trace.WithAttributes(keyValues(n, 0)...))
	case opError:
		s.RecordError(someErrors[int(n)%len(someErrors)], at, trace.WithStackTrace(n >= 128), trace.WithAttributes(keyValue(n, 1)))
	case opLink:
		s.AddLink(someLinks[int(n)%len(someLinks)])
	case opLinks:
		for i := range n {
			s.AddLink(trace.Link{Attributes: keyValues(i%8, 0)})
		}
	case opStatus:
		s.SetStatus(codes.Code(n%3), "description "+strconv.Itoa(int(n)))
	case opName:
		s.SetName([]string{"", "a", "b"}[n%3])
	case opEnd:
		if n%8 == 1 { // seldom: nothing is written any more
			s.End(at)
		}
	}
}

var someErrors = []error{
	nil, errors.New("a"), value("b"), (*pointer)(nil), fmt.Errorf("c: %w", value("d")),
	errors.Join(value("e"), nil),
	struct{ error }{value("f")},
	&struct{ value }{"g"},
}

var someLinks = func() []trace.Link {
	ts, err := trace.ParseTraceState("vendor=1")
	if err != nil {
		panic(err)
	}
	with := func(c trace.SpanContextConfig) trace.SpanContext { return trace.NewSpanContext(c) }
	return []trace.Link{
		{}, // says nothing
		{SpanContext: with(trace.SpanContextConfig{TraceID: trace.TraceID{1}})}, // nor does this
		{SpanContext: with(trace.SpanContextConfig{TraceState: ts})},
		{SpanContext: with(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Remote: true})},
		{Attributes: keyValues(3, 0)},
		{Attributes: keyValues(200, 0)},
	}
}()

func compare(t *testing.T, theirs, ours sdktrace.ReadOnlySpan) {
	t.Helper()
	a, b := digest(t, theirs), digest(t, ours)
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if !reflect.DeepEqual(a[key], b[key]) {
			t.Errorf("%s:\nSDK  %v\nours %v", key, a[key], b[key])
		}
	}
}

// digest is what can be read of a span, apart from its identity, its clock and the
// stacks that it was given.
func digest(t *testing.T, s sdktrace.ReadOnlySpan) map[string]any {
	t.Helper()
	var events, links []string
	for _, e := range s.Events() {
		for i, kv := range e.Attributes {
			if kv.Key == "exception.stacktrace" {
				if kv.Value.AsString() == "" {
					t.Error("an empty stack")
				}
				e.Attributes = slices.Clone(e.Attributes)
				e.Attributes[i] = attribute.Bool("stack", true)
			}
		}
		events = append(events, fmt.Sprint(e.Name, e.Time, e.Attributes, e.DroppedAttributeCount))
	}
	for _, l := range s.Links() {
		links = append(links, fmt.Sprint(l.SpanContext, l.Attributes, l.DroppedAttributeCount))
	}
	return map[string]any{
		"name": s.Name(), "kind": s.SpanKind(), "status": s.Status(), "parent": s.Parent(),
		"attributes": asMap(t, s.Attributes()), "dropped attributes": s.DroppedAttributes(),
		"events": events, "dropped events": s.DroppedEvents(),
		"links": links, "dropped links": s.DroppedLinks(),
		"end": s.EndTime().Round(0), "scope": s.InstrumentationScope(),
	}
}
