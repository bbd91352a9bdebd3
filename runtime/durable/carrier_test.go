package durable_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/propagation"

	"github.com/postlude/postlude/runtime/durable"
)

// TestCarrier: a Carrier is what propagators take it for, keeps its keys in order, and has
// nothing in common with its copies.
func TestCarrier(t *testing.T) {
	var c durable.Carrier
	var _ propagation.TextMapCarrier = &c
	if c.Get("a") != "" || !c.IsZero() || len(c.Keys()) != 0 {
		t.Errorf("the zero Carrier is %+v", c)
	}
	for _, field := range [][2]string{{"tracestate", "x"}, {"baggage", "b"}, {"traceparent", "p"}, {"tracestate", "s"}} {
		c.Set(field[0], field[1])
	}
	if got := c.Keys(); c.IsZero() || !slices.Equal(got, []string{"baggage", "traceparent", "tracestate"}) {
		t.Errorf("the keys are %q", got)
	}
	before := c
	before.Set("baggage", "x")
	before.Set("a", "y")
	for key, want := range map[string]string{"baggage": "b", "traceparent": "p", "tracestate": "s", "other": "", "": ""} {
		if got := c.Get(key); got != want {
			t.Errorf("%q has %q, not %q", key, got, want)
		}
	}
}

// TestCause: what others cancel a context with has the meaning that the engine gives it, in
// every context that descends from it.
func TestCause(t *testing.T) {
	theirs, ours := errors.New("canceled remotely"), errors.New("ours")
	translated := durable.TranslateCause(t.Context(), func(cause error) error {
		if cause == theirs {
			return durable.ErrCanceled
		}
		return nil
	})
	for _, c := range []struct {
		in          context.Context
		cause, want error
	}{
		{t.Context(), theirs, theirs},
		{translated, theirs, durable.ErrCanceled},
		{translated, ours, ours},
		{durable.TranslateCause(t.Context(), nil), ours, ours},
	} {
		ctx, cancel := context.WithCancelCause(c.in)
		if got := durable.Cause(ctx); got != nil {
			t.Errorf("before it is canceled, the cause is %v", got)
		}
		cancel(c.cause)
		child, end := context.WithCancel(ctx)
		if got := durable.Cause(child); !errors.Is(got, c.want) {
			t.Errorf("the cause is %v, not %v", got, c.want)
		}
		end()
	}
}
