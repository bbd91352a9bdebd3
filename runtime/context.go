package postlude

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/taskctx"
)

// This file is about contexts: that of an attempt, which its function gets, and what a
// waiting task keeps of the one it was scheduled with. They are types of our own because
// each task has them, and those of package context would be a third of its allocations.

// endless is the part of a context that is never canceled.
type endless struct{}

func (endless) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }
func (endless) Done() <-chan struct{}                   { return nil }
func (endless) Err() error                              { return nil }

// detached has the values of a context, and not its end: the task lives on when the
// request is over. It is what samplers, processors and tracers get, which may keep it, and
// lead from it to a span: the attempt, which changes meanwhile, leads to that.
type detached struct {
	endless
	of context.Context
}

func (d *detached) Value(key any) any { return d.of.Value(key) }

// cancellation is how an attempt ends from outside. ctx has no values.
type cancellation struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// ended is the cancellation of attempts that ended without one: who kept the context is
// to notice.
var ended = func() *cancellation {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(nil)
	return &cancellation{ctx, cancel}
}()

// cancelable returns the attempt's cancellation, made when something first asks for it:
// most functions never look whether they are canceled.
func (a *attempt) cancelable() *cancellation {
	if c := a.ends.Load(); c != nil {
		return c
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	a.ends.CompareAndSwap(nil, &cancellation{ctx, cancel})
	return a.ends.Load()
}

// limit has the attempt end after d.
func (a *attempt) limit(d time.Duration) {
	ctx, cancel := context.WithCancelCause(context.Background())
	timed, stop := context.WithTimeoutCause(ctx, d, errTimeout)
	a.ends.Store(&cancellation{timed, func(cause error) { cancel(cause); stop() }})
}

func (a *attempt) detached() context.Context { return &detached{of: a.values} }

// within has the attempt begin and end with ctx, for what is no execution of the function.
func (a *attempt) within(ctx context.Context) {
	a.values = ctx
	a.ends.Store(&cancellation{ctx: ctx})
}

// cancelWith cancels the attempt's context for a cause.
func (a *attempt) cancelWith(cause error) { a.cancelable().cancel(cause) }

// release ends the attempt's context.
func (a *attempt) release() {
	if !a.ends.CompareAndSwap(nil, ended) {
		if c := a.ends.Load(); c.cancel != nil {
			c.cancel(nil)
		}
	}
}

// Deadline is that of the task's Timeout.
func (a *attempt) Deadline() (deadline time.Time, ok bool) {
	if c := a.ends.Load(); c != nil {
		return c.ctx.Deadline()
	}
	return time.Time{}, false
}

// Done is closed when the attempt is canceled, or over.
func (a *attempt) Done() <-chan struct{} { return a.cancelable().ctx.Done() }

// Err tells whether it is.
func (a *attempt) Err() error {
	if c := a.ends.Load(); c != nil {
		return c.ctx.Err()
	}
	return nil
}

// Value answers which task the context belongs to, and which span. What package context
// asks, for Cause or a child, the cancellation answers, which knows nothing else. The
// rest is the scheduling context's.
func (a *attempt) Value(key any) any {
	switch {
	case key == taskctx.Key:
		return taskctx.Task(a)
	case key == spanKey && a.span != nil:
		return trace.Span(a.span)
	}
	if c := a.ends.Load(); c != nil {
		if v := c.ctx.Value(key); v != nil {
			return v
		}
	}
	return a.values.Value(key)
}

// String is for who prints a context, as mocks do with their arguments: package fmt would else
// read all fields, while others write them.
func (a *attempt) String() string { return "postlude.Attempt(" + a.name + ")" }

// leanContext is what a waiting task keeps of its scheduling context, so that the rest can
// be freed: one small object in place of a chain that leads to the whole request.
type leanContext struct {
	endless
	span  trace.SpanContext
	scope *scope
	kept  *[]any // keys and values, in turn; nil: none
}

// lean makes a lean context of ctx.
func (rt *Runtime) lean(ctx context.Context, sc *scope, when timing) context.Context {
	if when == immediate { // the request is part of what is not kept
		sc = &rt.scope
	}
	keep := rt.cfg.Keep
	if baggageKey != nil {
		keep = append(slices.Clip(keep), baggageKey)
	}
	c := &leanContext{span: trace.SpanContextFromContext(ctx), scope: sc}
	for _, key := range keep {
		if v := ctx.Value(key); v != nil {
			if c.kept == nil {
				c.kept = new([]any)
			}
			*c.kept = append(*c.kept, key, v)
		}
	}
	if spanKey != nil && baggageKey != nil {
		return c
	}
	return baggage.ContextWithBaggage(trace.ContextWithSpanContext(c, c.span), baggage.FromContext(ctx))
}

// Value makes the span when it is asked for: there is none behind it but its context.
func (c *leanContext) Value(key any) any {
	switch {
	case key == scopeKey:
		return c.scope
	case key == spanKey && key != nil:
		return trace.SpanFromContext(trace.ContextWithSpanContext(context.Background(), c.span))
	case c.kept == nil:
		return nil
	}
	for i := 0; i < len(*c.kept); i += 2 {
		if (*c.kept)[i] == key {
			return (*c.kept)[i+1]
		}
	}
	return nil
}

// spanKey and baggageKey are the keys that OpenTelemetry's API keeps span and baggage
// under. It does not export them, but it asks a context for them. nil: they are not known,
// and the longer way is gone.
var spanKey, baggageKey = learnKeys()

func learnKeys() (span, bag any) {
	ctx := trace.ContextWithSpanContext(context.Background(), trace.SpanContext{})
	key := keyOf(func(ctx context.Context) { trace.SpanFromContext(ctx) })
	if _, ok := ctx.Value(key).(trace.Span); ok {
		span = key
	}
	ctx = baggage.ContextWithBaggage(context.Background(), baggage.Baggage{})
	if key := keyOf(func(ctx context.Context) { baggage.FromContext(ctx) }); ctx.Value(key) != nil {
		bag = key
	}
	return span, bag
}

// keyOf returns the key that a function asks its context for.
func keyOf(ask func(context.Context)) any {
	e := &eavesdropper{}
	ask(e)
	return e.asked
}

type eavesdropper struct {
	endless
	asked any
}

func (e *eavesdropper) Value(key any) any {
	e.asked = key
	return nil
}
