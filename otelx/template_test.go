package otelx_test

import (
	"errors"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postlude/postlude/otelx"
)

// A span can be written, and reads back the same, however tracing is set up.
func TestStart(t *testing.T) {
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			parentCtx, parent := remoteParent(t.Context())
			before := time.Now()
			ctx, span, exported := otelx.NewTemplate(otelx.TemplateConfig{
				Tracer: s.tracer(), Scope: scope, Name: "run it", Kind: trace.SpanKindConsumer,
				Attributes: []attribute.KeyValue{attribute.String("a", "template"), attribute.String("b", "template")},
			}).Start(parentCtx)

			if exported != s.exported {
				t.Errorf("exported is %v", exported)
			}
			if trace.SpanFromContext(ctx) != trace.Span(span) {
				t.Error("the context carries another span: what user code writes would be lost")
			}
			if !span.IsRecording() || !span.EndTime().IsZero() {
				t.Error("the span has ended already")
			}
			if !span.Parent().Equal(parent) || span.SpanKind() != trace.SpanKindConsumer {
				t.Errorf("parent %v, kind %v", span.Parent(), span.SpanKind())
			}
			if own := span.SpanContext().SpanID() != parent.SpanID(); own != s.newID || span.SpanContext().TraceID() != parent.TraceID() {
				t.Errorf("span context %v under %v", span.SpanContext(), parent)
			}
			if at := span.StartTime(); at.Before(before) || at.After(time.Now()) {
				t.Errorf("started at %v", at)
			}
			if got := span.InstrumentationScope(); got != scope {
				t.Errorf("scope %v", got)
			}
			if span.Resource() == nil || span.TracerProvider() == nil {
				t.Error("no resource or provider")
			}

			at := time.Unix(1e9, 0)
			user := trace.SpanFromContext(ctx)
			user.SetName("renamed")
			user.SetAttributes(attribute.String("b", "user"), attribute.Int("c", 1))
			user.SetAttributes(attribute.Int("c", 2)) // the last wins
			user.AddEvent("cache miss", trace.WithAttributes(attribute.Int("size", 3)), trace.WithTimestamp(at))
			user.RecordError(errors.New("disk full"))
			user.RecordError(nil)
			user.AddLink(trace.Link{SpanContext: parent, Attributes: []attribute.KeyValue{attribute.Bool("l", true)}})
			user.SetStatus(codes.Error, "it broke")
			user.SetStatus(codes.Unset, "ignored")
			user.End(trace.WithTimestamp(at.Add(time.Minute)))

			// After End, nothing changes.
			user.SetName("late")
			user.SetAttributes(attribute.Int("late", 1))
			user.AddEvent("late")
			user.RecordError(errors.New("late"))
			user.AddLink(trace.Link{SpanContext: parent})
			user.SetStatus(codes.Ok, "")
			user.End()

			if span.IsRecording() || !span.EndTime().Equal(at.Add(time.Minute)) {
				t.Errorf("recording %v, ended at %v", span.IsRecording(), span.EndTime())
			}
			if span.Name() != "renamed" {
				t.Errorf("name %q", span.Name())
			}
			want := map[attribute.Key]attribute.Value{
				"a": attribute.StringValue("template"), "b": attribute.StringValue("user"), "c": attribute.IntValue(2),
			}
			if got := asMap(t, span.Attributes()); !reflect.DeepEqual(got, want) {
				t.Errorf("attributes %v", span.Attributes())
			}
			if got := span.Status(); got != (sdktrace.Status{Code: codes.Error, Description: "it broke"}) {
				t.Errorf("status %v", got)
			}
			if got := span.Links(); len(got) != 1 || !got[0].SpanContext.Equal(parent) || len(got[0].Attributes) != 1 {
				t.Errorf("links %v", got)
			}
			checkEvents(t, span.Events(), at)
		})
	}
}

func checkEvents(t *testing.T, events []sdktrace.Event, at time.Time) {
	t.Helper()
	if len(events) != 2 {
		t.Fatalf("events %v", events)
	}
	if e := events[0]; e.Name != "cache miss" || !e.Time.Equal(at) || !slices.Equal(e.Attributes, []attribute.KeyValue{attribute.Int("size", 3)}) {
		t.Errorf("event %v", e)
	}
	want := map[attribute.Key]attribute.Value{
		"exception.type": attribute.StringValue("*errors.errorString"), "exception.message": attribute.StringValue("disk full"),
	}
	if e := events[1]; e.Name != "exception" || e.Time.IsZero() || !reflect.DeepEqual(asMap(t, e.Attributes), want) {
		t.Errorf("event %v", e)
	}
}

// The parent of what is started from the context is the span, for tracers of the
// same setup as for those of another.
func TestChildren(t *testing.T) {
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			parentCtx, _ := remoteParent(t.Context())
			tracer := s.tracer()
			ctx, span, _ := otelx.NewTemplate(otelx.TemplateConfig{Tracer: tracer, Name: "outer"}).Start(parentCtx)
			_, same, _ := otelx.NewTemplate(otelx.TemplateConfig{Tracer: tracer, Name: "same"}).Start(ctx)
			_, other, _ := otelx.NewTemplate(otelx.TemplateConfig{Tracer: sampledBy(sdktrace.AlwaysSample()), Name: "other"}).Start(ctx)
			for _, child := range []sdktrace.ReadWriteSpan{same, other} {
				if !child.Parent().Equal(span.SpanContext()) {
					t.Errorf("the parent of %q is %v, not %v", child.Name(), child.Parent(), span.SpanContext())
				}
				if child == span {
					t.Errorf("%q is its own parent", child.Name())
				}
			}
		})
	}
}

func TestNewRoot(t *testing.T) {
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			ctx, parent := remoteParent(t.Context())
			_, span, _ := otelx.NewTemplate(otelx.TemplateConfig{Tracer: s.tracer(), Name: "it", NewRoot: true}).Start(ctx)
			if span.Parent().IsValid() {
				t.Errorf("parent %v", span.Parent())
			}
			// Tracers that make no IDs pass the parent's on, new root or not.
			if inTrace := span.SpanContext().TraceID() == parent.TraceID(); inTrace == s.newID {
				t.Errorf("span context %v under %v", span.SpanContext(), parent)
			}
		})
	}
}

// One span in a hundred is the SDK's; all can be read.
func TestStartRatio(t *testing.T) {
	const spans = 10_000
	tmpl := otelx.NewTemplate(otelx.TemplateConfig{Tracer: sampledBy(sdktrace.TraceIDRatioBased(.01)), Name: "it"})
	sampled := 0
	for range spans {
		_, span, exported := tmpl.Start(t.Context())
		if exported != span.SpanContext().IsSampled() {
			t.Fatalf("exported is %v for %v", exported, span.SpanContext())
		}
		if exported {
			sampled++
		}
		span.SetAttributes(attribute.Int("n", 1))
		if len(span.Attributes()) != 1 || !span.IsRecording() {
			t.Fatal("a span was not recorded")
		}
		span.End()
	}
	if sampled < spans/200 || sampled > spans/50 {
		t.Errorf("%d of %d spans were sampled", sampled, spans)
	}
}

// What the API says of its spans is what the inner span says.
func TestInner(t *testing.T) {
	f := &foreign{}
	_, span, _ := otelx.NewTemplate(otelx.TemplateConfig{Tracer: tracerOf(f), Name: "it"}).Start(t.Context())
	if !span.SpanContext().Equal(f.last.sc) || span.TracerProvider() != trace.TracerProvider(f) {
		t.Errorf("%v, %v", span.SpanContext(), span.TracerProvider())
	}
	tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	_, span, _ = otelx.NewTemplate(otelx.TemplateConfig{Tracer: tp.Tracer(""), Name: "it"}).Start(t.Context())
	if !span.SpanContext().IsValid() || span.SpanContext().IsSampled() || span.TracerProvider() != trace.TracerProvider(tp) {
		t.Errorf("%v, %v", span.SpanContext(), span.TracerProvider())
	}
}

// Whoever records in another way than the SDK misses nothing.
func TestForwarding(t *testing.T) {
	f := &foreign{}
	_, span, exported := otelx.NewTemplate(otelx.TemplateConfig{
		Tracer: tracerOf(f), Name: "it", Kind: trace.SpanKindConsumer, Attributes: []attribute.KeyValue{attribute.Int("a", 1)},
	}).Start(t.Context())
	_, link := remoteParent(t.Context())
	failed, at := errors.New("failed"), time.Unix(1e9, 0)
	span.SetName("renamed")
	span.SetAttributes(attribute.Int("b", 2), attribute.Int("c", 3))
	span.AddEvent("event")
	span.RecordError(failed)
	span.AddLink(trace.Link{SpanContext: link})
	span.SetStatus(codes.Ok, "")
	span.End(trace.WithTimestamp(at))
	span.End()

	got := f.last
	switch {
	case !exported:
		t.Error("not exported")
	case got.name != "renamed", got.kind != trace.SpanKindConsumer, got.code != codes.Ok:
		t.Errorf("%q, %v, %v", got.name, got.kind, got.code)
	case !slices.Equal(got.attrs, []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("c", 3)}):
		t.Error(got.attrs)
	case !slices.Equal(got.events, []string{"event"}), !slices.Equal(got.errs, []error{failed}):
		t.Error(got.events, got.errs)
	case len(got.links) != 1, !got.links[0].SpanContext.Equal(link):
		t.Error(got.links)
	case !slices.Equal(got.ended, []time.Time{at}):
		t.Error(got.ended)
	}
}

// The no-op tracer returns the context's own span if that does not record: a span of
// the request that has ended, or one of ours. The new span must be another.
func TestNoopUnderEndedParent(t *testing.T) {
	tmpl := otelx.NewTemplate(otelx.TemplateConfig{Tracer: noop.Tracer{}, Name: "child"})
	_, headers := remoteParent(t.Context())
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			ctx, parent, _ := otelx.NewTemplate(otelx.TemplateConfig{Tracer: s.tracer(), Name: "parent"}).
				Start(trace.ContextWithSpanContext(t.Context(), headers))
			parent.End()
			ctx, child, exported := tmpl.Start(ctx)
			child.SetAttributes(attribute.Int("a", 1))
			if exported || !child.IsRecording() || child.Name() != "child" || len(child.Attributes()) != 1 || len(parent.Attributes()) != 0 {
				t.Errorf("exported %v, recording %v, %q: %v", exported, child.IsRecording(), child.Name(), child.Attributes())
			}
			if !child.Parent().Equal(parent.SpanContext()) || trace.SpanFromContext(ctx) != trace.Span(child) {
				t.Error("the span is not the parent's child")
			}
			child.End()
		})
	}
}

func TestStartLocal(t *testing.T) {
	parentCtx, parent := remoteParent(t.Context())
	for _, newRoot := range []bool{false, true} {
		tmpl := otelx.NewTemplate(otelx.TemplateConfig{Name: "it", Scope: scope, NewRoot: newRoot, Attributes: []attribute.KeyValue{attribute.Int("a", 1)}})
		ctx, span := tmpl.StartLocal(parentCtx, new(otelx.Local))
		want := parent
		if newRoot {
			want = trace.SpanContext{}
		}
		// The trace goes on below the span, though the span itself is not exported.
		if !span.Parent().Equal(want) || !span.SpanContext().Equal(want) || !trace.SpanContextFromContext(ctx).Equal(want) {
			t.Errorf("new root %v: parent %v, span context %v", newRoot, span.Parent(), span.SpanContext())
		}
		if !span.IsRecording() || span.Name() != "it" || len(span.Attributes()) != 1 {
			t.Errorf("%q, %v", span.Name(), span.Attributes())
		}
		span.End()
		if span.IsRecording() {
			t.Error("recording after End")
		}
	}
}

// Tracers that were made before the provider was set work from then on. A global
// provider can be set once in a process, hence the process of its own.
func TestGlobalProviderSetLater(t *testing.T) {
	const child = "OTELX_TEST_CHILD"
	if os.Getenv(child) == "" {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1", "GORACE=atexit_sleep_ms=0") // or it waits for a second
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	tmpl := otelx.NewTemplate(otelx.TemplateConfig{Tracer: tracerOf(otel.GetTracerProvider()), Scope: scope, Name: "it"})
	ctx, before, exported := tmpl.Start(t.Context())
	if exported {
		t.Error("exported without a provider")
	}
	otel.SetTracerProvider(sdktrace.NewTracerProvider())
	_, after, exported := tmpl.Start(ctx)
	if !exported || !after.SpanContext().IsSampled() || after.InstrumentationScope() != scope {
		t.Errorf("exported %v, %v", exported, after.SpanContext())
	}
	before.SetAttributes(attribute.Int("a", 1)) // one that has started stays as it is
	if !before.IsRecording() || len(before.Attributes()) != 1 {
		t.Error("the span of before is gone")
	}
}

// A Template's attributes are its own: neither the config's slice, nor a span, nor a
// sampler can change those of the next span.
func TestTemplateKeepsItsAttributes(t *testing.T) {
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			given := make([]attribute.KeyValue, 1, 8) // with room to append into
			given[0] = attribute.String("a", "template")
			tmpl := otelx.NewTemplate(otelx.TemplateConfig{Tracer: s.tracer(), Name: "it", Attributes: given})
			given[0] = attribute.String("a", "changed")

			_, one, _ := tmpl.Start(t.Context())
			_, two, _ := tmpl.Start(t.Context())
			one.SetAttributes(attribute.Int("n", 1))
			two.SetAttributes(attribute.Int("n", 2))
			one.SetAttributes(attribute.String("a", "one"))
			one.Attributes()[0] = attribute.String("a", "read")
			_, three, _ := tmpl.Start(t.Context())
			_ = append(three.Attributes(), attribute.Int("n", 3))
			if got := three.Attributes(); !slices.Equal(got, []attribute.KeyValue{attribute.String("a", "template")}) {
				t.Errorf("a new span has %v", got)
			}
			want := map[attribute.Key]attribute.Value{"a": attribute.StringValue("template"), "n": attribute.IntValue(2)}
			if got := asMap(t, two.Attributes()); !reflect.DeepEqual(got, want) {
				t.Errorf("the second span has %v", two.Attributes())
			}
		})
	}
}
