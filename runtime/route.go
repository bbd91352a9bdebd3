package postlude

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postlude/postlude/internal/panics"
)

// On makes an ErrorHandler of a function that is asked about errors of type E, found as
// errors.As finds them: wrapped, joined, or thrown by a panic.
func On[E error](fn func(ctx context.Context, f *Failure, err E) Verdict) ErrorHandler {
	h := &handlerFunc{name: "On[" + reflect.TypeFor[E]().String() + "]"}
	if fn != nil {
		h.fn = func(ctx context.Context, f *Failure) Verdict {
			err, _ := asError[E](f)
			return fn(ctx, f, err)
		}
	}
	return For[E](h)
}

// For asks the handlers about errors of type E only, found as errors.As finds them:
// wrapped, joined, or thrown by a panic.
func For[E error](hs ...ErrorHandler) ErrorHandler {
	return &route{hs: hs, match: func(f *Failure) bool {
		_, ok := asError[E](f)
		return ok
	}}
}

// Is asks the handlers about errors only that are target, as errors.Is says. An attempt
// that exceeded its Timeout is a context.DeadlineExceeded, and a canceled one a
// context.Canceled, whatever its function returned.
func Is(target error, hs ...ErrorHandler) ErrorHandler {
	return &route{hs: hs, match: func(f *Failure) bool {
		return errors.Is(f.Err, target) || f.cause != nil && errors.Is(f.cause, target)
	}}
}

// Handlers is a list of handlers as one, to be read like a type switch: asked in order,
// until one gives a verdict that is not Pass.
func Handlers(hs ...ErrorHandler) ErrorHandler { return &route{hs: hs} }

// asError finds an E in the attempt's error, or in what ended its context.
func asError[E error](f *Failure) (err E, ok bool) {
	if err, ok = errors.AsType[E](f.Err); !ok {
		err, ok = errors.AsType[E](f.cause)
	}
	return err, ok
}

// route is a list of handlers behind a condition. Options take it apart, so that the
// runtime sees the single handlers; as a processor on a provider it hands on.
type route struct {
	hs    []ErrorHandler
	match func(*Failure) bool // nil: always
}

func (r *route) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	for _, h := range r.hs {
		h.OnStart(ctx, s)
	}
}

func (r *route) OnEnding(s sdktrace.ReadWriteSpan) {
	if f, ok := FailureOf(s); ok && r.match != nil && !r.match(f) {
		return
	}
	for _, h := range r.hs {
		h.OnEnding(s)
	}
}

func (r *route) OnEnd(s sdktrace.ReadOnlySpan) {
	for _, h := range r.hs {
		h.OnEnd(s)
	}
}

func (r *route) Shutdown(ctx context.Context) error {
	var errs []error
	for _, h := range r.hs {
		errs = append(errs, h.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

func (r *route) ForceFlush(ctx context.Context) error {
	var errs []error
	for _, h := range r.hs {
		errs = append(errs, h.ForceFlush(ctx))
	}
	return errors.Join(errs...)
}

// entries takes h apart into the single handlers, each with the conditions on the way
// to it.
func entries(h ErrorHandler, conditions ...func(*Failure) bool) ([]*entry, error) {
	r, ok := h.(*route)
	if !ok {
		if h == nil {
			return nil, errors.New("a handler is nil")
		}
		e := newEntry(h)
		e.conditions = conditions
		return []*entry{e}, e.check()
	}
	if r.match != nil {
		conditions = append(conditions[:len(conditions):len(conditions)], r.match)
	}
	var list []*entry
	var errs []error
	for _, h := range r.hs {
		es, err := entries(h, conditions...)
		list, errs = append(list, es...), append(errs, err)
	}
	return list, errors.Join(errs...)
}

// asks tells whether the handler is to be asked about f. The conditions call methods of
// the error (As, Is), which may panic.
func (e *entry) asks(f *Failure) (yes bool, err error) {
	if len(e.conditions) == 0 {
		return true, nil
	}
	p := panics.Try(func() {
		for _, match := range e.conditions {
			if !match(f) {
				return
			}
		}
		yes = true
	})
	if p != nil {
		return false, fmt.Errorf("matching the error: %w", p)
	}
	return yes, nil
}
