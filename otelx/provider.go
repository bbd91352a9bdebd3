package otelx

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"reflect"
	exectrace "runtime/trace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TracerProvider is a provider of the SDK whose Templates make their spans themselves, as
// Local ones, and hand them to the same processors: what the SDK copies, compares and
// locks for a span costs several times what it takes to record one whose form is known.
// What is exported is the same, but for two things: such a span is not in its parent's
// ChildSpanCount, which is private to the SDK, and maps as attribute values are taken as they
// are, with double keys if they have some. All other spans are the SDK's own.
//
// The SDK makes all of them where it does what can't be done here: where OTEL_SPAN_*,
// OTEL_EVENT_* or OTEL_LINK_* variables set other limits than the default ones, where its
// experimental metrics about itself are on, and while the execution tracer runs.
type TracerProvider struct {
	*sdktrace.TracerProvider
	own *own
}

// ProviderConfig describes a TracerProvider. The zero value is good.
type ProviderConfig struct {
	Sampler     sdktrace.Sampler         // nil: what the parent says, and all spans without one
	Resource    *resource.Resource       // nil: resource.Default()
	IDGenerator sdktrace.IDGenerator     // nil: random ids
	Processors  []sdktrace.SpanProcessor // owned by the provider from here on
}

// NewTracerProvider makes one. Who makes it shuts it down.
func NewTracerProvider(c ProviderConfig) *TracerProvider {
	if c.Sampler == nil {
		c.Sampler = sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
	opts := []sdktrace.TracerProviderOption{sdktrace.WithSampler(c.Sampler)}
	var shared []sdktrace.TracerProviderOption // what decides on the resource, with the environment
	if c.Resource != nil {
		shared = append(shared, sdktrace.WithResource(c.Resource))
	}
	if c.IDGenerator != nil {
		opts = append(opts, sdktrace.WithIDGenerator(c.IDGenerator))
	}
	for _, p := range c.Processors {
		opts = append(opts, sdktrace.WithSpanProcessor(p))
	}
	p := &TracerProvider{TracerProvider: sdktrace.NewTracerProvider(append(opts, shared...)...)}
	p.own = &own{
		sampler: c.Sampler, follows: followsParents(c.Sampler),
		ids: c.IDGenerator, resource: endedSpan(shared...).Resource(), unfit: !plain(),
	}
	p.own.nowhere.provider = p
	processors := slices.Clone(c.Processors) // the caller may go on with the slice
	p.own.processors.Store(&processors)
	return p
}

// plain tells whether the SDK does nothing with a span that can't be done here.
func plain() bool {
	for _, name := range []string{"OTEL_GO_X_OBSERVABILITY", "OTEL_GO_X_SELF_OBSERVABILITY"} {
		if strings.EqualFold(os.Getenv(name), "true") {
			return false
		}
	}
	return sdktrace.NewSpanLimits() == sdktrace.SpanLimits{
		AttributeValueLengthLimit:   sdktrace.DefaultAttributeValueLengthLimit,
		AttributeValueDepthLimit:    sdktrace.DefaultAttributeValueDepthLimit,
		AttributeCountLimit:         limit,
		EventCountLimit:             limit,
		LinkCountLimit:              limit,
		AttributePerEventCountLimit: limit,
		AttributePerLinkCountLimit:  limit,
	}
}

// followsParents tells whether s does with every span that has a parent as was done with
// that, as sdktrace.ParentBased does by default: then it need not be asked, which takes
// longer than all else at the start of a span. It is known by its type, and the types of the
// samplers that it has for children: those have no fields.
func followsParents(s sdktrace.Sampler) bool {
	got, like := reflect.ValueOf(s), reflect.ValueOf(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	if got.Type() != like.Type() || like.Kind() != reflect.Struct {
		return false
	}
	got, like = got.FieldByName("config"), like.FieldByName("config")
	if !like.IsValid() || like.Kind() != reflect.Struct || like.NumField() != 4 {
		return false // a release has changed it
	}
	for i := range like.NumField() {
		a, b := got.Field(i), like.Field(i)
		if b.Kind() != reflect.Interface || a.IsNil() || a.Elem().Type() != b.Elem().Type() {
			return false
		}
	}
	return true
}

// Tracer returns the SDK's tracer, whose provider Templates know.
func (p *TracerProvider) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	t := p.TracerProvider.Tracer(name, opts...)
	if !p.own.makes() {
		return t
	}
	return &tracer{t, p.own}
}

// RegisterSpanProcessor has sp see the spans that begin from now on.
func (p *TracerProvider) RegisterSpanProcessor(sp sdktrace.SpanProcessor) {
	p.own.change(func(sps []sdktrace.SpanProcessor) []sdktrace.SpanProcessor { return append(sps, sp) })
	p.TracerProvider.RegisterSpanProcessor(sp)
}

// UnregisterSpanProcessor removes sp, and shuts it down.
func (p *TracerProvider) UnregisterSpanProcessor(sp sdktrace.SpanProcessor) {
	p.own.change(func(sps []sdktrace.SpanProcessor) []sdktrace.SpanProcessor {
		return slices.DeleteFunc(sps, func(s sdktrace.SpanProcessor) bool { return same(s, sp) })
	})
	p.TracerProvider.UnregisterSpanProcessor(sp)
}

// same is a comparison that does not panic for processors of a type that has none.
func same(a, b sdktrace.SpanProcessor) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// Shutdown shuts the processors down, and returns their errors, joined. It blocks until
// they have, or ctx ends. Spans that begin or end afterwards are recorded for nobody.
func (p *TracerProvider) Shutdown(ctx context.Context) error {
	if p.own.closed.CompareAndSwap(false, true) { // a second call must not cut the first one short
		defer p.own.clear()
	}
	return p.TracerProvider.Shutdown(ctx)
}

// tracer is the SDK's, with what a Template needs besides.
type tracer struct {
	trace.Tracer
	own *own
}

// own is the part of a provider that makes local spans and exports them.
type own struct {
	sampler    sdktrace.Sampler
	follows    bool                 // it decides on spans without a parent only
	ids        sdktrace.IDGenerator // nil: random
	resource   *resource.Resource
	unfit      bool // the SDK has to make them
	closed     atomic.Bool
	nowhere    nowhere
	mu         sync.Mutex // for who changes processors
	processors atomic.Pointer[[]sdktrace.SpanProcessor]
}

// nowhere is the inner span of those that have none.
type nowhere struct {
	noop.Span
	provider trace.TracerProvider
}

func (n *nowhere) TracerProvider() trace.TracerProvider { return n.provider }

// makes tells whether spans are made here, and not by the SDK.
func (o *own) makes() bool {
	return o != nil && !o.unfit && !o.closed.Load() && !exectrace.IsEnabled()
}

// change has spans go to other processors, unless there was a Shutdown.
func (o *own) change(fn func([]sdktrace.SpanProcessor) []sdktrace.SpanProcessor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed.Load() {
		return
	}
	next := fn(slices.Clone(*o.processors.Load()))
	o.processors.Store(&next)
}

// clear keeps spans that are still open from processors that were shut down.
func (o *own) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.processors.Store(new([]sdktrace.SpanProcessor))
}

// start begins s as the SDK's tracer begins a span. It reports whether s is exported: as
// with the SDK, a sampler may have a span recorded that is not sampled. of returns the
// context that it was started with.
func (o *own) start(of func() context.Context, s *Local) (exported bool) {
	t, parent := s.template, s.Parent()
	id := trace.SpanContextConfig{TraceID: parent.TraceID()}
	following := o.follows && parent.IsValid()
	var ctx context.Context
	if !following || o.ids != nil {
		if ctx = of(); t.newRoot {
			ctx = trace.ContextWithSpanContext(ctx, parent)
		}
	}
	o.identify(ctx, &id)
	result := sdktrace.SamplingResult{Tracestate: parent.TraceState()}
	switch {
	case !following:
		result = o.sampler.ShouldSample(sdktrace.SamplingParameters{
			ParentContext: ctx, TraceID: id.TraceID, Name: t.name, Kind: t.kind, Attributes: t.attrs,
		})
	case parent.IsSampled():
		result.Decision = sdktrace.RecordAndSample
	}
	id.TraceState, id.TraceFlags = result.Tracestate, parent.TraceFlags()&^trace.FlagsSampled
	if result.Decision == sdktrace.RecordAndSample {
		id.TraceFlags |= trace.FlagsSampled
	}
	s.context, s.inner = trace.NewSpanContext(id), &o.nowhere
	s.exported = result.Decision != sdktrace.Drop
	if !s.exported {
		return false
	}
	if len(result.Attributes) > 0 {
		s.written = t.blank()
		s.written.put(result.Attributes)
		s.written.put(t.attrs)
	}
	if ps := *o.processors.Load(); len(ps) > 0 {
		ctx := of()
		for _, p := range ps {
			p.OnStart(ctx, s)
		}
	}
	return true
}

// identify gives a span its ids: the trace's is the parent's, if there is one.
func (o *own) identify(ctx context.Context, id *trace.SpanContextConfig) {
	switch {
	case o.ids != nil && id.TraceID.IsValid():
		id.SpanID = o.ids.NewSpanID(ctx, id.TraceID)
	case o.ids != nil:
		id.TraceID, id.SpanID = o.ids.NewIDs(ctx)
	default:
		for !id.TraceID.IsValid() {
			binary.NativeEndian.PutUint64(id.TraceID[:8], rand.Uint64())
			binary.NativeEndian.PutUint64(id.TraceID[8:], rand.Uint64())
		}
		for !id.SpanID.IsValid() {
			binary.NativeEndian.PutUint64(id.SpanID[:], rand.Uint64())
		}
	}
}

func (o *own) export(w *snapshot) {
	for _, p := range *o.processors.Load() {
		p.OnEnd(w)
	}
}
