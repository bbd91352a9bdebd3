package otelx_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/postlude/postlude/otelx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scope = instrumentation.Scope{Name: "example.com/scope", Version: "1.2.3", SchemaURL: "https://example.com/schema"}

// tracerOf is tp's tracer with the scope of these tests.
func tracerOf(tp trace.TracerProvider) trace.Tracer {
	return tp.Tracer(scope.Name, trace.WithInstrumentationVersion(scope.Version), trace.WithSchemaURL(scope.SchemaURL))
}

// sampledBy is the tracer of an SDK provider whose IDs are the same in every run.
func sampledBy(s sdktrace.Sampler) trace.Tracer {
	return tracerOf(sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithIDGenerator(newIDs())))
}

// ours is the tracer of a provider of ours.
func ours(s sdktrace.Sampler) trace.Tracer {
	return tracerOf(otelx.NewTracerProvider(otelx.ProviderConfig{Sampler: s, IDGenerator: newIDs()}))
}

func oursShutDown() trace.TracerProvider {
	tp := otelx.NewTracerProvider(otelx.ProviderConfig{})
	if err := tp.Shutdown(context.Background()); err != nil {
		panic(err)
	}
	return tp
}

// ids makes IDs that look random to a sampler and are the same in every run.
type ids struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func newIDs() *ids { return &ids{rnd: rand.New(rand.NewPCG(1, 2))} }

func (g *ids) NewIDs(context.Context) (tid trace.TraceID, sid trace.SpanID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	binary.BigEndian.PutUint64(tid[:8], g.rnd.Uint64()|1)
	binary.BigEndian.PutUint64(tid[8:], g.rnd.Uint64())
	binary.BigEndian.PutUint64(sid[:], g.rnd.Uint64()|1)
	return tid, sid
}

func (g *ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	_, sid := g.NewIDs(ctx)
	return sid
}

// setup is a way in which a program may have set up its tracing.
type setup struct {
	name     string
	tracer   func() trace.Tracer
	exported bool // the provider records
	sdk      bool // and the span is the SDK's own
	newID    bool // the span has an ID of its own, not its parent's
}

var setups = []setup{
	{"always", func() trace.Tracer { return sampledBy(sdktrace.AlwaysSample()) }, true, true, true},
	// Recorded and not exported is the SDK's business: such a span is complete, too.
	{"record only", func() trace.Tracer { return sampledBy(recordOnly{}) }, true, true, true},
	{"never", func() trace.Tracer { return sampledBy(sdktrace.NeverSample()) }, false, false, true},
	{"no-op", func() trace.Tracer { return tracerOf(noop.NewTracerProvider()) }, false, false, false},
	{"shut down", func() trace.Tracer { return tracerOf(shutDown()) }, false, false, false},
	{"global before a provider is set", func() trace.Tracer { return tracerOf(otel.GetTracerProvider()) }, false, false, false},
	{"ours, always", func() trace.Tracer { return ours(sdktrace.AlwaysSample()) }, true, false, true},
	{"ours, record only", func() trace.Tracer { return ours(recordOnly{}) }, true, false, true},
	{"ours, never", func() trace.Tracer { return ours(sdktrace.NeverSample()) }, false, false, true},
	{"ours, shut down", func() trace.Tracer { return tracerOf(oursShutDown()) }, false, false, false},
	{"not the SDK's", func() trace.Tracer { return tracerOf(&foreign{}) }, true, false, true},
}

// locals are the setups with which the span is ours.
func locals() (some []setup) {
	for _, s := range setups {
		if !s.sdk {
			some = append(some, s)
		}
	}
	return some
}

func shutDown() trace.TracerProvider {
	tp := sdktrace.NewTracerProvider()
	if err := tp.Shutdown(context.Background()); err != nil {
		panic(err)
	}
	return tp
}

type recordOnly struct{}

func (recordOnly) Description() string { return "recordOnly" }
func (recordOnly) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly}
}

// foreign is a provider whose spans record and are not the SDK's, as those of
// go.opentelemetry.io/auto are. It keeps the last span.
type foreign struct {
	embedded.TracerProvider
	ids  *ids
	last *foreignSpan
}

func (f *foreign) Tracer(string, ...trace.TracerOption) trace.Tracer {
	f.ids = newIDs()
	return foreignTracer{foreign: f}
}

type foreignTracer struct {
	embedded.Tracer
	foreign *foreign
}

func (f foreignTracer) Start(ctx context.Context, _ string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	c := trace.NewSpanStartConfig(opts...)
	tid, sid := f.foreign.ids.NewIDs(ctx)
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !c.NewRoot() {
		tid = parent.TraceID()
	}
	f.foreign.last = &foreignSpan{
		provider: f.foreign, attrs: c.Attributes(), kind: c.SpanKind(),
		sc: trace.NewSpanContext(trace.SpanContextConfig{TraceID: tid, SpanID: sid}),
	}
	return trace.ContextWithSpan(ctx, f.foreign.last), f.foreign.last
}

type foreignSpan struct {
	embedded.Span
	provider *foreign
	sc       trace.SpanContext
	kind     trace.SpanKind

	mu     sync.Mutex
	name   string
	attrs  []attribute.KeyValue
	events []string
	errs   []error
	links  []trace.Link
	code   codes.Code
	ended  []time.Time
}

func (s *foreignSpan) write(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) == 0 {
		fn()
	}
}

func (s *foreignSpan) SetName(name string) { s.write(func() { s.name = name }) }
func (s *foreignSpan) SetAttributes(kv ...attribute.KeyValue) {
	s.write(func() { s.attrs = append(s.attrs, kv...) })
}
func (s *foreignSpan) SetStatus(c codes.Code, _ string) { s.write(func() { s.code = c }) }
func (s *foreignSpan) AddLink(l trace.Link)             { s.write(func() { s.links = append(s.links, l) }) }

func (s *foreignSpan) AddEvent(name string, _ ...trace.EventOption) {
	s.write(func() { s.events = append(s.events, name) })
}

func (s *foreignSpan) RecordError(err error, _ ...trace.EventOption) {
	s.write(func() { s.errs = append(s.errs, err) })
}

func (s *foreignSpan) End(opts ...trace.SpanEndOption) {
	c := trace.NewSpanEndConfig(opts...)
	s.write(func() { s.ended = append(s.ended, c.Timestamp()) })
}

func (s *foreignSpan) IsRecording() (is bool) {
	s.write(func() { is = true })
	return is
}
func (s *foreignSpan) SpanContext() trace.SpanContext       { return s.sc }
func (s *foreignSpan) TracerProvider() trace.TracerProvider { return s.provider }

// local is a span that the SDK does not record.
func local(tb testing.TB, attrs ...attribute.KeyValue) sdktrace.ReadWriteSpan {
	tb.Helper()
	_, span, exported := otelx.NewTemplate(otelx.TemplateConfig{
		Tracer: sampledBy(sdktrace.NeverSample()), Scope: scope, Name: "run it", Attributes: attrs,
	}).Start(tb.Context())
	if exported {
		tb.Fatal("a span that is not sampled is exported")
	}
	return span
}

// remoteParent is a context as propagation makes it from a request's headers.
func remoteParent(ctx context.Context) (context.Context, trace.SpanContext) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 7}, SpanID: trace.SpanID{7: 8}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
	return trace.ContextWithRemoteSpanContext(ctx, sc), sc
}

// asMap makes attributes comparable, whatever their order. Two of a key are a fault.
func asMap(tb testing.TB, attrs []attribute.KeyValue) map[attribute.Key]attribute.Value {
	tb.Helper()
	m := make(map[attribute.Key]attribute.Value, len(attrs))
	for _, kv := range attrs {
		if _, dup := m[kv.Key]; dup {
			tb.Errorf("two attributes have the key %q", kv.Key)
		}
		m[kv.Key] = kv.Value
	}
	return m
}
