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

// OnStart notes whose spans these are: the notifications are to be in the same trace. The
// tracer is made here and not when it is used, because a provider that shuts a processor
// down holds the lock that making one needs, while the processor waits for its notifications.
func (e *escalation) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	if s.SpanKind() == trace.SpanKindServer && e.tracer.Load() == nil {
		tracer := s.TracerProvider().Tracer(ScopeName)
		e.tracer.Store(&tracer)
	}
}

// OnEnd escalates SERVER spans that ended as errors. Only a provider calls it: the
// runtime does not call OnEnd of its own handlers. Neither escalate spans nor those of
// the notifiers' HTTP clients are SERVER spans, so nothing escalates itself.
func (e *escalation) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanKind() != trace.SpanKindServer || s.Status().Code != codes.Error {
		return
	}
	f := serverFailure(s)
	suppressed, window := e.seen.enter(failureKind{s.Name(), f.ErrorType}, time.Now())
	if window == nil {
		return
	}
	f.Suppressed = suppressed
	select {
	case e.slots <- struct{}{}:
	default:
		e.seen.reopen(window, suppressed)
		return
	}
	go func() { // ForceFlush waits for it
		defer func() { <-e.slots }()
		e.tell(f)
	}()
}

// tell notifies about a SERVER span, in a span of its own.
func (e *escalation) tell(f *Failure) {
	tracer := e.global // the span started before e was registered
	if own := e.tracer.Load(); own != nil {
		tracer = *own
	}
	ctx := trace.ContextWithSpanContext(context.Background(), f.SpanContext)
	ctx, span := tracer.Start(ctx, taskconv.SpanEscalate+f.info.Name)
	defer span.End()
	_, err := notifyAll(f, e.ns, func(notify func(context.Context) error) error {
		return e.guard.work(ctx, DefaultWorkTimeout, notify)
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

// ForceFlush waits for the notifications about SERVER spans, until ctx ends. Who holds
// all slots knows that nobody else holds one; flushes take turns, as two that hold half
// of them each would wait for ever.
func (e *escalation) ForceFlush(ctx context.Context) error {
	select {
	case e.flushing <- struct{}{}:
		defer func() { <-e.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	held := 0
	defer func() {
		for range held {
			<-e.slots
		}
	}()
	for ; held < cap(e.slots); held++ {
		select {
		case e.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Shutdown is ForceFlush.
func (e *escalation) Shutdown(ctx context.Context) error { return e.ForceFlush(ctx) }
