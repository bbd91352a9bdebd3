package postlude

import (
	"context"
	"errors"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/internal/panics"
)

// diagnose says how the attempt failed.
func (a *attempt) diagnose() *Failure {
	var ended error
	if a.Err() != nil {
		ended = context.Cause(a)
	}
	shown := a.text()
	f := &a.diagnosis
	*f = Failure{
		ID: shown.id, Err: a.err, Attempt: a.number(), MaxAttempts: a.set.attempts, Elapsed: a.took,
		SpanContext: a.span.SpanContext(), Span: a.span, info: a.infoAs(shown.id), cause: ended, task: a.task,
		shown: shown.args.String(), message: errs.Text(a.err),
	}
	if a.def != nil {
		f.args = a.args
	}
	f.Kind, f.ErrorType = classify(a.err, ended)
	f.Stack = stackOf(a.err)
	f.TraceURL = a.rt.traceURL(f.SpanContext)
	a.remember(FailedAttempt{
		Attempt: a.number(), Start: a.start(), Elapsed: f.Elapsed, Err: f.Err,
		Kind: f.Kind, ErrorType: f.ErrorType, SpanContext: f.SpanContext, message: f.message,
	})
	f.History = a.failures()
	return f
}

// stackOf returns the stack of a panic, or one that an error in the chain carries.
func stackOf(err error) (stack string) {
	_ = panics.Try(func() { // the error's methods are user code
		if p, ok := errors.AsType[*PanicError](err); ok {
			stack = p.Stack
		} else if e, ok := errors.AsType[bytesStack](err); ok {
			stack = string(e.Stack())
		} else if e, ok := errors.AsType[textStack](err); ok {
			stack = e.StackTrace()
		}
	})
	return errs.Stack(stack)
}

// Errors carry their stack in one of two ways.
type (
	bytesStack interface {
		error
		Stack() []byte
	}
	textStack interface {
		error
		StackTrace() string
	}
)
