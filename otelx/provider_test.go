package otelx_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	exectrace "runtime/trace"
	"slices"
	"sync"
	"testing"
	"time"
	"weak"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/otelx"
)

// collector is a processor that keeps what it sees.
type collector struct {
	mu       sync.Mutex
	started  []sdktrace.ReadWriteSpan
	parents  []trace.SpanContext
	ended    []sdktrace.ReadOnlySpan
	shutdown int
}

func (c *collector) OnStart(parent context.Context, s sdktrace.ReadWriteSpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started, c.parents = append(c.started, s), append(c.parents, trace.SpanContextFromContext(parent))
}

func (c *collector) OnEnd(s sdktrace.ReadOnlySpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, s)
}

func (c *collector) ForceFlush(context.Context) error { return nil }

func (c *collector) Shutdown(context.Context) error {
	c.shutdown++
	return nil
}

// provide makes a provider of ours with a processor.
func provide(t *testing.T, c otelx.ProviderConfig) (*otelx.TracerProvider, *collector) {
	t.Helper()
	got := new(collector)
	c.Processors = append(c.Processors, got)
	tp := otelx.NewTracerProvider(c)
	t.Cleanup(func() { _ = tp.Shutdown(context.Background()) })
	return tp, got
}

func template(tp trace.TracerProvider, attrs ...attribute.KeyValue) *otelx.Template {
	return otelx.NewTemplate(otelx.TemplateConfig{
		Tracer: tracerOf(tp), Scope: scope, Name: "run it", Kind: trace.SpanKindConsumer, Attributes: attrs,
	})
}

// isOurs tells that the span was made here: what processors get is then no snapshot of
// the SDK's, whose type is the only way to know.
func isOurs(s sdktrace.ReadWriteSpan) bool {
	_, ok := s.(*otelx.Local)
	return ok
}

// The sampler is asked what it is asked by the SDK, and its answer is what counts.
func TestProviderAsksTheSampler(t *testing.T) {
	state, err := trace.ParseTraceState("vendor=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, decision := range []sdktrace.SamplingDecision{sdktrace.Drop, sdktrace.RecordOnly, sdktrace.RecordAndSample} {
		s := &sampler{answer: sdktrace.SamplingResult{
			Decision: decision, Tracestate: state,
			Attributes: []attribute.KeyValue{attribute.String("by", "sampler"), attribute.String("a", "sampler")},
		}}
		tp, got := provide(t, otelx.ProviderConfig{Sampler: s})
		ctx, parent := remoteParent(t.Context())
		_, span, exported := template(tp, attribute.String("a", "start")).Start(ctx)
		if !isOurs(span) || exported != (decision != sdktrace.Drop) {
			t.Errorf("%v: exported is %v, by a %T", decision, exported, span)
		}
		q := s.asked
		if q.Name != "run it" || q.Kind != trace.SpanKindConsumer || q.TraceID != parent.TraceID() || len(q.Attributes) != 1 ||
			!trace.SpanContextFromContext(q.ParentContext).Equal(parent) {
			t.Errorf("%v: it was asked %+v", decision, q)
		}
		sc := span.SpanContext()
		if sc.IsSampled() != (decision == sdktrace.RecordAndSample) || sc.TraceState().String() != "vendor=1" || sc.IsRemote() {
			t.Errorf("%v: the span is %v", decision, sc)
		}
		span.End()
		if decision == sdktrace.Drop {
			if len(got.started)+len(got.ended) > 0 {
				t.Errorf("a dropped span was exported")
			}
			continue
		}
		if attrs := asMap(t, got.ended[0].Attributes()); attrs["by"].AsString() != "sampler" || attrs["a"].AsString() != "start" {
			t.Errorf("%v: attributes %v", decision, attrs)
		}
	}
}

// sampler gives one answer, and keeps the question.
type sampler struct {
	answer sdktrace.SamplingResult
	asked  sdktrace.SamplingParameters
}

func (s *sampler) Description() string { return "sampler" }
func (s *sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.asked = p
	return s.answer
}

// Without a parent, or with a root of its own, a span begins a trace, which the sampler
// decides about anew.
func TestProviderRoots(t *testing.T) {
	tp, got := provide(t, otelx.ProviderConfig{})
	unsampled := trace.ContextWithSpanContext(t.Context(), parentOf(t).WithTraceFlags(0))
	root := otelx.NewTemplate(otelx.TemplateConfig{Tracer: tracerOf(tp), Name: "root", NewRoot: true})
	seen := map[trace.TraceID]bool{parentOf(t).TraceID(): true}
	for range 2 {
		for _, start := range []func() (context.Context, sdktrace.ReadWriteSpan, bool){
			func() (context.Context, sdktrace.ReadWriteSpan, bool) { return template(tp).Start(t.Context()) },
			func() (context.Context, sdktrace.ReadWriteSpan, bool) { return root.Start(unsampled) },
		} {
			_, span, exported := start()
			sc := span.SpanContext()
			if !exported || !sc.IsSampled() || !sc.IsValid() || seen[sc.TraceID()] || span.Parent().IsValid() {
				t.Errorf("%v under %v, exported %v", sc, span.Parent(), exported)
			}
			seen[sc.TraceID()] = true
			span.End()
		}
	}
	if _, span, exported := template(tp).Start(unsampled); exported || span.SpanContext().TraceID() != parentOf(t).TraceID() {
		t.Error("the parent's decision did not count")
	}
	if len(got.ended) != 4 {
		t.Errorf("%d spans were exported", len(got.ended))
	}
}

func parentOf(t *testing.T) trace.SpanContext {
	t.Helper()
	_, sc := remoteParent(t.Context())
	return sc
}

// A processor sees a span from its start, may write to it, and is seen to.
func TestProviderProcessors(t *testing.T) {
	tp, got := provide(t, otelx.ProviderConfig{Processors: []sdktrace.SpanProcessor{uncomparable{func(s sdktrace.ReadWriteSpan) {
		s.SetAttributes(attribute.Bool("seen", true))
	}}}})
	more := new(collector)
	tp.RegisterSpanProcessor(more)
	ctx, parent := remoteParent(t.Context())
	_, span, _ := template(tp).Start(ctx)
	tp.UnregisterSpanProcessor(more)
	span.End()
	if len(got.started) != 1 || !got.parents[0].Equal(parent) || got.started[0] != span {
		t.Errorf("started: %v under %v", got.started, got.parents)
	}
	if attrs := asMap(t, got.ended[0].Attributes()); !attrs["seen"].AsBool() {
		t.Errorf("attributes %v", attrs)
	}
	if len(more.started) != 1 || len(more.ended) != 0 || more.shutdown != 1 {
		t.Errorf("the one that came and went saw %d start, %d end, %d shutdowns", len(more.started), len(more.ended), more.shutdown)
	}
	if err := tp.Shutdown(t.Context()); err != nil || got.shutdown != 1 {
		t.Errorf("Shutdown: %v, %d", err, got.shutdown)
	}
	for _, template := range []*otelx.Template{template(tp), template(tp)} {
		_, late, _ := template.Start(ctx)
		late.End()
	}
	if len(got.started) != 1 || len(got.ended) != 1 {
		t.Error("a span came after Shutdown")
	}
}

// What becomes of the configuration afterwards is nothing to the provider.
func TestProviderKeepsItsProcessors(t *testing.T) {
	got, other := new(collector), new(collector)
	list := []sdktrace.SpanProcessor{got}
	tp := otelx.NewTracerProvider(otelx.ProviderConfig{Processors: list})
	list[0] = other
	_, span, _ := template(tp).Start(t.Context())
	span.End()
	if len(got.ended) != 1 || len(other.started) > 0 {
		t.Errorf("%d spans for the one that was given, %d for another", len(got.ended), len(other.started))
	}
}

// A processor that was shut down is left alone, also by a span that began before.
func TestProviderOpenAtShutdown(t *testing.T) {
	tp, got := provide(t, otelx.ProviderConfig{})
	late := new(collector)
	_, span, _ := template(tp).Start(t.Context())
	if err := tp.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	tp.RegisterSpanProcessor(late)
	span.End()
	if !isOurs(span) || len(got.started) != 1 || len(got.ended)+len(late.ended) > 0 {
		t.Errorf("%T: %d started, %d ended, and %d for one that came too late", span, len(got.started), len(got.ended), len(late.ended))
	}
}

// What spans share is safe from who appends to their attributes, as wrappers of spans do.
func TestProviderSharedAttributes(t *testing.T) {
	tp, got := provide(t, otelx.ProviderConfig{})
	three := template(tp, attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("c", 3))
	for range 2 {
		_, span, _ := three.Start(t.Context())
		span.End()
	}
	first := append(got.ended[0].Attributes(), attribute.Int("first", 1))
	_ = append(got.ended[1].Attributes(), attribute.Int("second", 2))
	if first[3].Key != "first" {
		t.Errorf("attributes %v", first)
	}
}

// uncomparable is a processor of a type that == panics for.
type uncomparable struct {
	onStart func(sdktrace.ReadWriteSpan)
}

func (u uncomparable) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) { u.onStart(s) }
func (uncomparable) OnEnd(sdktrace.ReadOnlySpan)                           {}
func (uncomparable) ForceFlush(context.Context) error                      { return nil }
func (uncomparable) Shutdown(context.Context) error                        { return nil }

// A span that is started within one of ours is its child, whoever makes it.
func TestProviderNests(t *testing.T) {
	tp, got := provide(t, otelx.ProviderConfig{})
	ctx, outer, _ := template(tp).Start(t.Context())
	_, sdk := tracerOf(tp).Start(ctx, "the SDK's")
	_, own, _ := template(tp).Start(ctx)
	sdk.End()
	own.End()
	outer.End()
	for _, s := range got.ended[:2] {
		if !s.Parent().Equal(outer.SpanContext()) || !s.SpanContext().IsSampled() {
			t.Errorf("%s is under %v", s.Name(), s.Parent())
		}
	}
	if !isOurs(own) || len(got.ended) != 3 {
		t.Errorf("%T, %d spans", own, len(got.ended))
	}
}

// The resource is the one that the SDK's spans have, what the environment says included.
func TestProviderResource(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "from=environment")
	for _, r := range []*resource.Resource{nil, resource.NewSchemaless(attribute.String("service.name", "shop"))} {
		tp, got := provide(t, otelx.ProviderConfig{Resource: r})
		_, sdk := tracerOf(tp).Start(t.Context(), "the SDK's")
		_, own, _ := template(tp).Start(t.Context())
		if !own.Resource().Equal(sdk.(sdktrace.ReadOnlySpan).Resource()) {
			t.Errorf("%v, and not %v", own.Resource(), sdk.(sdktrace.ReadOnlySpan).Resource())
		}
		sdk.End()
		own.End()
		if !got.ended[0].Resource().Equal(got.ended[1].Resource()) || got.ended[0].Resource().Len() < 2 {
			t.Errorf("exported: %v, and %v", got.ended[0].Resource(), got.ended[1].Resource())
		}
		if own.TracerProvider() != trace.TracerProvider(tp) {
			t.Errorf("TracerProvider is %v", own.TracerProvider())
		}
	}
}

// What is done by the SDK only has the SDK make the spans.
func TestProviderLeavesItToTheSDK(t *testing.T) {
	for _, name := range []string{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "1")
			byTheSDK(t)
		})
	}
	t.Run("OTEL_GO_X_OBSERVABILITY", func(t *testing.T) {
		t.Setenv("OTEL_GO_X_OBSERVABILITY", "True")
		byTheSDK(t)
	})
	t.Run("execution tracer", func(t *testing.T) {
		if err := exectrace.Start(new(bytes.Buffer)); err != nil {
			t.Skip(err) // the test itself is traced
		}
		defer exectrace.Stop()
		byTheSDK(t)
	})
}

func byTheSDK(t *testing.T) {
	t.Helper()
	tp, got := provide(t, otelx.ProviderConfig{})
	_, span, exported := template(tp).Start(t.Context())
	span.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 2))
	span.End()
	if isOurs(span) || !exported || len(got.ended) != 1 {
		t.Errorf("it is a %T, and %d were exported", span, len(got.ended))
	}
}

// A span in a queue keeps neither its task nor the request alive.
func TestExportedLeadsNowhere(t *testing.T) {
	tp, got := provide(t, otelx.ProviderConfig{})
	request := func() weak.Pointer[[1 << 20]byte] {
		body := new([1 << 20]byte)
		_, span, _ := template(tp).Start(context.WithValue(t.Context(), key{}, body))
		span.SetAttributes(attribute.Int("a", 1))
		span.End()
		return weak.Make(body)
	}()
	got.started = nil
	for range 3 {
		runtime.GC()
	}
	if request.Value() != nil {
		t.Error("an exported span keeps its context")
	}
	runtime.KeepAlive(got.ended)
}

type key struct{}

// However many end a span at once, it is exported once, and nothing is written after.
func TestProviderConcurrentEnd(t *testing.T) {
	tp, got := provide(t, otelx.ProviderConfig{})
	const spans = 100
	for i := range spans {
		_, span, _ := template(tp).Start(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				span.SetAttributes(attribute.Int("n", i))
				span.AddLink(trace.Link{SpanContext: span.SpanContext()})
				span.End()
				readAll(span)
				span.AddEvent("late")
			})
		}
		wg.Wait()
	}
	if len(got.ended) != spans {
		t.Errorf("%d exported", len(got.ended))
	}
	ids := map[trace.SpanID]bool{}
	for _, s := range got.ended {
		ids[s.SpanContext().SpanID()] = true
		if !slices.ContainsFunc(s.Attributes(), func(kv attribute.KeyValue) bool { return kv.Key == "n" }) {
			t.Errorf("attributes %v", s.Attributes())
		}
		if s.EndTime().Before(s.StartTime()) || s.EndTime().After(time.Now()) {
			t.Errorf("from %v to %v", s.StartTime(), s.EndTime())
		}
	}
	if len(ids) != spans {
		t.Errorf("%d ids", len(ids))
	}
}

// dropper has the description of the sampler that it embeds.
type dropper struct{ sdktrace.Sampler }

func (dropper) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}

// TestFollowingSampler: a sampler that does as the parent's did is not asked about it, and
// what it would have said is what happens; all others are asked.
func TestFollowingSampler(t *testing.T) {
	state, err := trace.ParseTraceState("vendor=x")
	if err != nil {
		t.Fatal(err)
	}
	ratio := sdktrace.TraceIDRatioBased(0.5)
	for name, sampler := range map[string]sdktrace.Sampler{
		"always":        sdktrace.AlwaysSample(),
		"never":         sdktrace.NeverSample(),
		"parent":        sdktrace.ParentBased(sdktrace.AlwaysSample()),
		"parent, never": sdktrace.ParentBased(sdktrace.NeverSample()),
		"parent, ratio": sdktrace.ParentBased(ratio),
		"nested":        sdktrace.ParentBased(sdktrace.ParentBased(ratio), sdktrace.WithRemoteParentSampled(sdktrace.NeverSample())),
		"remote off":    sdktrace.ParentBased(sdktrace.AlwaysSample(), sdktrace.WithRemoteParentSampled(sdktrace.NeverSample())),
		"embedding":     sdktrace.ParentBased(sdktrace.AlwaysSample(), sdktrace.WithRemoteParentSampled(dropper{sdktrace.AlwaysSample()})),
		"local on":      sdktrace.ParentBased(sdktrace.NeverSample(), sdktrace.WithLocalParentNotSampled(sdktrace.AlwaysSample())),
		"recording":     sdktrace.AlwaysRecord(sdktrace.ParentBased(sdktrace.NeverSample())),
	} {
		for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
			for _, remote := range []bool{false, true} {
				parent := trace.NewSpanContext(trace.SpanContextConfig{
					TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, TraceState: state, Remote: remote,
				})
				ctx := trace.ContextWithSpanContext(t.Context(), parent)
				var got [2]string
				for i, tp := range []trace.TracerProvider{
					sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)),
					otelx.NewTracerProvider(otelx.ProviderConfig{Sampler: sampler}),
				} {
					template := otelx.NewTemplate(otelx.TemplateConfig{Tracer: tracerOf(tp), Name: "it"})
					_, span, exported := template.Start(ctx)
					sc := span.SpanContext()
					got[i] = fmt.Sprint(exported, sc.TraceID(), sc.TraceFlags(), sc.TraceState())
				}
				if got[0] != got[1] {
					t.Errorf("%s, flags %v, remote %v: %s, and not %s", name, flags, remote, got[1], got[0])
				}
			}
		}
	}
}
