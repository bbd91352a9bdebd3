package postlude

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/runtime/taskconv"
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
// The runtime calls ForceFlush when it shuts down, and never Shutdown: who made the
// processor shuts it down.
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
	if f, ok := FailureOf(s); ok {
		f.Decide(h.fn(f.ctx, f))
	}
}

func (h *handlerFunc) own() (string, *guard) { return h.name, &h.one }

// passive is the part of a span processor that our handlers have no use for.
type passive struct{}

func (passive) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (passive) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (passive) Shutdown(context.Context) error                  { return nil }
func (passive) ForceFlush(context.Context) error                { return nil }

// ownHandler is implemented by the handlers of this package: they have a name, and
// nothing to do with an attempt that succeeds.
type ownHandler interface {
	own() (name string, g *guard)
}

// entry is a handler as an option holds it.
type entry struct {
	ErrorHandler
	name  string
	guard *guard
	ours  bool
}

func newEntry(h ErrorHandler) *entry {
	if o, ok := h.(ownHandler); ok {
		name, g := o.own()
		return &entry{h, name, g, true}
	}
	name := fmt.Sprintf("%T", h)
	if p, ok := h.(processor); ok {
		name = fmt.Sprintf("%T", p.SpanProcessor)
	}
	return &entry{h, name, new(guard), false}
}

func (e *entry) foreign() bool { return !e.ours }

// Failure is a failed attempt, as an error handler sees it. It is valid for as long as
// the handler wants to keep it; it must not be changed.
type Failure struct {
	ID          string        // the task's id
	Err         error         // what the function returned, or a *PanicError
	Kind        Kind          // how it failed
	ErrorType   string        // OpenTelemetry's error.type
	Stack       string        // of a panic, or one that the error carries as StackTrace or Stack; else ""
	Attempt     int           // 1 for the first
	MaxAttempts int           // 0 if nobody said
	Elapsed     time.Duration // of this attempt
	SpanContext trace.SpanContext
	Span        sdktrace.ReadWriteSpan // the attempt's; it can be written in OnEnding

	t        *task
	ctx      context.Context // for the handler that is being asked
	decision *decision
}

// Task describes the task that failed.
func (f *Failure) Task() TaskInfo { return f.t.info() }

// Args returns the arguments that the task was scheduled with, unredacted; nil for a
// closure.
func (f *Failure) Args() any { return f.t.job.args }

// ArgsOf returns the arguments of a task of known type.
func ArgsOf[A any](f *Failure) (A, bool) {
	a, ok := f.Args().(A)
	return a, ok
}

// FailureOf returns the failure that a handler is asked about. It is false for a span
// that is no attempt of a task, or did not fail.
func FailureOf(s sdktrace.ReadOnlySpan) (*Failure, bool) {
	if f, ok := s.(*failedSpan); ok {
		return f.failure, true
	}
	return nil, false
}

// failedSpan is the span as one handler is given it.
type failedSpan struct {
	sdktrace.ReadWriteSpan
	failure *Failure
}

// Decide is a processor's answer, given during its OnEnding. Of the handlers, the
// first whose answer is not Pass wins; of one handler's answers, the first that is not
// Pass. An answer that comes too late is ignored.
func (f *Failure) Decide(v Verdict) {
	if f.decision != nil { // nobody is being asked, in OnEnd
		f.decision.set(v)
	}
}

// decision is where one handler's answer goes. It is closed when the runtime has taken
// it, so that a handler that was given up on can't speak for the next one.
type decision struct {
	mu      sync.Mutex
	verdict Verdict
	work    []func(context.Context) error
	closed  bool
}

func (d *decision) set(v Verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if d.verdict.action == pass {
		d.verdict = v
		d.work = append(d.work, v.work...)
	}
}

func (d *decision) take() Verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.verdict.work = d.work
	return d.verdict
}

// action is what a verdict asks for.
type action uint8

const (
	pass action = iota
	handled
	retryAfter
	fallbackTo
	escalateTo
	drop
)

func (a action) String() string {
	return [...]string{
		taskconv.VerdictPass, taskconv.VerdictHandled, taskconv.VerdictRetry,
		taskconv.VerdictFallback, taskconv.VerdictEscalate, taskconv.VerdictDrop,
	}[a]
}

// Verdict is a handler's answer: Pass, Handled, RetryAfter, FallbackTo, EscalateTo or
// Drop. The zero Verdict is Pass.
type Verdict struct {
	action    action
	delay     time.Duration
	job       Job
	notifiers []Notifier
	work      []func(context.Context) error
}

var (
	// Pass leaves the decision to the next handler.
	Pass = Verdict{}
	// Handled says that the failure needs nothing more. The task counts as failed.
	Handled = Verdict{action: handled}
	// Drop gives the task up: it counts as dropped.
	Drop = Verdict{action: drop}
)

// RetryAfter asks for another attempt, d after the end of this one. A task that was
// canceled, by Run.Cancel or by shutdown, is not retried.
func RetryAfter(d time.Duration) Verdict {
	return Verdict{action: retryAfter, delay: max(0, d)}
}

// FallbackTo runs j in the task's place, in its slot and on its worker. If j succeeds,
// so does the task.
func FallbackTo(j Job) Verdict { return Verdict{action: fallbackTo, job: j} }

// EscalateTo tells the notifiers, after the span has ended. The task counts as failed.
func EscalateTo(ns ...Notifier) Verdict { return Verdict{action: escalateTo, notifiers: ns} }

// Then adds work to a verdict, Pass included. It runs after the attempt's span ended,
// on the task's worker, in a span of its own (handle {task}), and within
// Config.WorkTimeout. Its error is logged and counted, and changes nothing else.
func (v Verdict) Then(work func(context.Context) error) Verdict {
	v.work = append(slices.Clip(v.work), work)
	return v
}
