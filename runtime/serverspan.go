package postlude

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/runtime/taskconv"
)

// maxServerEscalations bounds the notifications about SERVER spans that run at once. One
// more is left out: OnEnd must not block the request, and there is no queue to fill.
const maxServerEscalations = 4

// OnEnd escalates SERVER spans that ended as errors. Only a provider calls it: the
// runtime does not call OnEnd of its own handlers. Neither escalate spans nor those of
// the notifiers' HTTP clients are SERVER spans, so nothing escalates itself.
func (e *escalation) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanKind() != trace.SpanKindServer || s.Status().Code != codes.Error {
		return
	}
	f := serverFailure(s)
	suppressed, first := e.seen.enter(failureKind{s.Name(), f.ErrorType}, time.Now())
	if !first {
		return
	}
	f.Suppressed = suppressed
	select {
	case e.slots <- struct{}{}:
	default:
		e.seen.forget(failureKind{s.Name(), f.ErrorType})
		return
	}
	e.running.Go(func() {
		defer func() { <-e.slots }()
		e.tell(f)
	})
}

// tell notifies about a SERVER span, in a span of its own.
func (e *escalation) tell(f *Failure) {
	ctx := trace.ContextWithSpanContext(context.Background(), f.SpanContext)
	ctx, span := otel.Tracer(ScopeName).Start(ctx, taskconv.SpanEscalate+f.info.Name)
	defer span.End()
	_, err := notifyAll(f, e.ns, func(notify func(context.Context) error) error {
		return within(ctx, DefaultWorkTimeout, notify)
	})
	if err != nil {
		span.SetStatus(codes.Error, errs.Text(err))
		otel.Handle(err) // there is no runtime to report to
	}
}

// serverFailure is what a span tells of its failure.
func serverFailure(s sdktrace.ReadOnlySpan) *Failure {
	f := &Failure{
		Kind: KindError, ErrorType: "_OTHER", Attempt: 1, SpanContext: s.SpanContext(),
		Elapsed: s.EndTime().Sub(s.StartTime()), info: TaskInfo{Name: s.Name()},
	}
	message := s.Status().Description
	look := func(kvs []attribute.KeyValue) {
		for _, kv := range kvs {
			switch string(kv.Key) {
			case taskconv.ErrorType, taskconv.ExceptionType:
				f.ErrorType = kv.Value.AsString()
			case taskconv.ExceptionMessage:
				message = kv.Value.AsString()
			case taskconv.ExceptionStacktrace:
				f.Stack = kv.Value.AsString()
			case taskconv.CodeFunctionName:
				f.info.Func = kv.Value.AsString()
			}
		}
	}
	for _, event := range s.Events() {
		look(event.Attributes)
	}
	look(s.Attributes())
	if strings.TrimSpace(message) == "" {
		message = "the span " + s.Name() + " ended as an error without a description"
	}
	f.Err = errors.New(message)
	return f
}

// ForceFlush waits for the notifications about SERVER spans, until ctx ends.
func (e *escalation) ForceFlush(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		e.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown is ForceFlush.
func (e *escalation) Shutdown(ctx context.Context) error { return e.ForceFlush(ctx) }
