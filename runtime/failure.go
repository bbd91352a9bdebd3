package postlude

import (
	"context"
	"slices"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/errs"
)

// Failure is a failed attempt, as an error handler sees it. It is valid for as long as
// the handler wants to keep it; it must not be changed.
type Failure struct {
	ID          string        // the task's id
	Err         error         // what the function returned, or a *PanicError
	Kind        Kind          // how it failed
	ErrorType   string        // OpenTelemetry's error.type
	Stack       string        // of a panic, or one that the error carries as StackTrace or Stack; else ""
	Attempt     int           // 1 for the first; 0 if a durable task could not be enqueued
	MaxAttempts int           // of the most patient Retry; 0 if there is none
	Elapsed     time.Duration // of this attempt
	SpanContext trace.SpanContext
	Span        sdktrace.ReadWriteSpan // the attempt's; it can be written in OnEnding

	// History are the attempts that failed, this one last, for escalations; of very many,
	// the first and the latest. A fallback that failed is the last of them.
	History []FailedAttempt
	// TraceURL is where the trace can be looked at, by Config.TraceURL; "" without that.
	TraceURL string
	// Suppressed is how many escalations of the same task name and error type were
	// suppressed since the last one, see Config.EscalationWindow.
	Suppressed int

	info     TaskInfo
	args     any
	shown    string
	message  string          // of Err; "" while nobody has asked it
	cause    error           // what the attempt's context had ended with
	task     *task           // nil for a SERVER span
	ctx      context.Context // for the handler that is being asked
	decision *decision
}

// FailedAttempt is one entry of a Failure's History.
type FailedAttempt struct {
	Attempt     int  // 0 if a durable task could not be enqueued
	Fallback    bool // of the task: it has no number of its own
	Start       time.Time
	Elapsed     time.Duration
	Err         error
	Kind        Kind
	ErrorType   string
	Verdict     string // what was decided about it; "" as long as it is not, as for the last one in OnEnding
	Handler     string // that decided; "" for nobody
	SpanContext trace.SpanContext

	message string // of Err; "" while nobody has asked it
}

// Message is the error's text. Unlike f.Err.Error() it can't panic.
func (f FailedAttempt) Message() string {
	if f.message != "" {
		return f.message
	}
	return errs.Text(f.Err)
}

// Task describes the task that failed.
func (f *Failure) Task() TaskInfo { return f.info }

// Args returns the arguments that the task was scheduled with, unredacted; nil for a
// closure.
func (f *Failure) Args() any { return f.args }

// RedactedArgs returns the arguments as telemetry shows them: JSON, with secrets masked.
// It is what a notification may contain. "" for a closure.
func (f *Failure) RedactedArgs() string { return f.shown }

// Message is the error's text. Unlike f.Err.Error() it can't panic.
func (f *Failure) Message() string {
	if f.message != "" {
		return f.message
	}
	return errs.Text(f.Err)
}

// ArgsOf returns the arguments of a task of known type.
func ArgsOf[A any](f *Failure) (A, bool) {
	a, ok := f.Args().(A)
	return a, ok
}

// FailureOf returns the failure that a handler is asked about. It is false for a span
// that is no attempt of a task, or did not fail. A processor on the application's
// TracerProvider may ask it in OnEnd; there, nothing can be decided any more.
func FailureOf(s sdktrace.ReadOnlySpan) (*Failure, bool) {
	if f, ok := s.(*failedSpan); ok {
		return f.failure, true
	}
	return ending.find(s.SpanContext())
}

// ending are the failures whose span ends right now. The provider gives its processors a
// copy of the span that knows nothing of tasks; the ids lead back.
var ending endings

type endings struct {
	mu   sync.Mutex
	list map[spanID]*Failure
}

type spanID struct {
	trace trace.TraceID
	span  trace.SpanID
}

func idOf(sc trace.SpanContext) spanID { return spanID{sc.TraceID(), sc.SpanID()} }

func (e *endings) begin(f *Failure) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.list == nil {
		e.list = map[spanID]*Failure{}
	}
	e.list[idOf(f.SpanContext)] = f
}

func (e *endings) end(f *Failure) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.list, idOf(f.SpanContext))
}

func (e *endings) find(sc trace.SpanContext) (*Failure, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, ok := e.list[idOf(sc)]
	return f, ok
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
	noted   []Notifier // by Escalate
	closed  bool
}

// note remembers whom to tell if nobody decides.
func (d *decision) note(ns []Notifier) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.noted = append(d.noted, ns...)
	}
}

func (d *decision) set(v Verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if d.verdict.action == pass {
		v.work = slices.Concat(d.verdict.work, v.work) // of the answers that passed, too
		d.verdict = v
	}
}

// take returns the answer, and closes the decision: v is zero if none was given.
func (d *decision) take() (v Verdict, noted []Notifier) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return d.verdict, d.noted
}
