package postlude

import (
	"context"
	"errors"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// ErrorHandler decides what becomes of a failed attempt. It is a genuine span
// processor with the specification's OnEnding hook: there, FailureOf(span) tells it
// what failed, Failure.Decide takes its answer, and the span can still be written.
//
// The runtime calls it for every failed attempt, whatever the sampler or provider.
// OnStart, OnEnding and OnEnd of a type that is not from this package are called for
// successes too, paired. Handlers must be quick: they decide, and slow work goes into
// Verdict.Then. One that panics or exceeds Config.HandlerTimeout is passed over,
// logged and counted.
//
// The runtime calls ForceFlush of the handlers of Config.Defaults when it shuts down, and
// never Shutdown: who made the processor shuts it down.
type ErrorHandler interface {
	sdktrace.SpanProcessor
	OnEnding(sdktrace.ReadWriteSpan)
}

// Notifier tells somebody of a failure: Slack, Sentry, a pager. Notify may take its
// time, within ctx; the attempt's span has ended.
type Notifier interface {
	Notify(ctx context.Context, f *Failure) error
}

// Processor makes an ErrorHandler of any span processor. It passes every decision on,
// and sees the spans of all attempts.
func Processor(p sdktrace.SpanProcessor) ErrorHandler { return processor{p} }

type processor struct{ sdktrace.SpanProcessor }

func (p processor) check() error {
	if p.SpanProcessor == nil {
		return errors.New("Processor was given nil")
	}
	return nil
}

func (p processor) OnEnding(s sdktrace.ReadWriteSpan) {
	if e, ok := p.SpanProcessor.(interface{ OnEnding(sdktrace.ReadWriteSpan) }); ok {
		e.OnEnding(s)
	}
}

// HandlerFunc makes an ErrorHandler of a function. name is what telemetry shows as the
// one that decided. ctx carries the attempt's span and values, and ends with
// Config.HandlerTimeout.
func HandlerFunc(name string, fn func(ctx context.Context, f *Failure) Verdict) ErrorHandler {
	return &handlerFunc{name: name, fn: fn}
}

type handlerFunc struct {
	passive
	name string
	fn   func(context.Context, *Failure) Verdict
	one  guard
}

func (h *handlerFunc) OnEnding(s sdktrace.ReadWriteSpan) {
	if f, ok := FailureOf(s); ok && f.decision != nil {
		f.Decide(h.fn(f.ctx, f))
	}
}

func (h *handlerFunc) check() error {
	if h.fn == nil {
		return fmt.Errorf("the handler %q has no function", h.name)
	}
	return nil
}

// passive is the part of a span processor that our handlers have no use for.
type passive struct{}

func (passive) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (passive) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (passive) Shutdown(context.Context) error                  { return nil }
func (passive) ForceFlush(context.Context) error                { return nil }

// entry is a handler as the runtime asks it: alone, with the conditions that routes made.
type entry struct {
	ErrorHandler
	name       string
	guard      *guard // of its decisions; nil: it runs no code of the user's
	workGuard  *guard // of the work that it adds, and of its notifiers
	ours       bool   // has nothing to do with an attempt that succeeds
	notes      bool   // does not decide, so it is asked after a decision, too
	attempts   int    // that a Retry allows
	conditions []func(*Failure) bool

	// direct is the answer of one without a guard, which needs no question.
	direct func(*Failure) (Verdict, []Notifier)
}

func newEntry(h ErrorHandler) *entry {
	e := &entry{ErrorHandler: h, workGuard: new(guard)}
	// Exact types: one of the user's that embeds a Retry is the user's.
	switch h := h.(type) {
	case *handlerFunc:
		e.ours, e.name, e.guard = true, h.name, &h.one
	case Retry:
		e.retries(h.Max, h.verdict)
	case *Retry:
		e.retries(h.Max, func(f *Failure) Verdict { return h.verdict(f) }) // as it is then
	case *escalation:
		e.ours, e.name, e.notes = true, escalateName, true
		e.direct = func(*Failure) (Verdict, []Notifier) { return Pass, h.ns }
	case processor:
		e.name, e.guard = fmt.Sprintf("%T", h.SpanProcessor), new(guard)
	default:
		e.name, e.guard = fmt.Sprintf("%T", h), new(guard)
	}
	return e
}

func (e *entry) retries(limit int, verdict func(*Failure) Verdict) {
	e.ours, e.name, e.attempts = true, "Retry", limit+1
	e.direct = func(f *Failure) (Verdict, []Notifier) { return verdict(f), nil }
}

// check tells what is wrong with the handler.
func (e *entry) check() error {
	if c, ok := e.ErrorHandler.(interface{ check() error }); ok {
		return c.check()
	}
	return nil
}

func (e *entry) foreign() bool { return !e.ours }
