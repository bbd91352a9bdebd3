package postlude

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/runtime/taskconv"
)

const escalateName = "Escalate"

// Escalate is an error handler that notes whom to tell of a failure. It does not decide:
// they are told when nobody did, after the retries, and after the fallback if that failed,
// too; once, though several Escalate name them. A handler that decides otherwise, with
// Handled or Drop, has the last word, even one that is asked later. Failures of the same task name and error
// type are escalated once in Config.EscalationWindow. A canceled task is not escalated.
//
// On a TracerProvider (sdktrace.WithSpanProcessor) it also tells of SERVER spans that end
// as errors and are no tasks, from goroutines of its own, at most four at a time, and
// once in DefaultEscalationWindow for each name and error type. Their Failure is built
// from the span: it has no arguments, no Span, no History and no TraceURL. Shutdown and ForceFlush wait
// for them.
func Escalate(ns ...Notifier) ErrorHandler {
	e := &escalation{
		ns: ns, slots: make(chan struct{}, maxServerEscalations), flushing: make(chan struct{}, 1),
		global: otel.Tracer(ScopeName),
	}
	e.seen.window = DefaultEscalationWindow
	return e
}

type escalation struct {
	ns []Notifier

	// Of SERVER spans only, see serverspan.go.
	slots    chan struct{} // as many as may run at once
	flushing chan struct{} // held by the flush that waits for them
	seen     escalations
	guard    guard
	tracer   atomic.Pointer[trace.Tracer] // of the provider whose spans these are
	global   trace.Tracer                 // of otel's global one, for want of that
}

func (e *escalation) check() error {
	if len(e.ns) == 0 || slices.Contains(e.ns, nil) {
		return errors.New("Escalate was given no notifier, or a nil one")
	}
	var errs []error
	for _, n := range e.ns {
		if c, ok := n.(interface{ Check() error }); ok { // notify.Webhook, for one
			errs = append(errs, c.Check())
		}
	}
	return errors.Join(errs...)
}

// OnEnding notes.
func (e *escalation) OnEnding(s sdktrace.ReadWriteSpan) {
	if f, ok := FailureOf(s); ok && f.decision != nil {
		f.decision.note(e.ns)
	}
}

// enterEscalation tells whether ns are to be told, or others of the kind were lately.
func (a *attempt) enterEscalation(ns []Notifier) bool {
	if len(ns) == 0 {
		return false
	}
	f := *a.failure // others may have kept the old one
	f.History = a.remembered().judged()
	kind := failureKind{a.name, f.ErrorType}
	f.Suppressed, a.window = a.rt.escalations.enter(kind, time.Now())
	a.failure = &f
	a.escalation = taskconv.EscalationSuppressed
	if a.window != nil {
		a.escalation = taskconv.EscalationStarted
	}
	return a.window != nil
}

// escalate tells the notifiers, all of them.
func (a *attempt) escalate(ns []Notifier) {
	by := a.by
	if a.verdict.action != escalateTo { // a fallback's, which failed, too
		by = a.notedBy
	}
	told := 0
	err := a.inSpan(taskconv.SpanEscalate, func(ctx context.Context) (err error) {
		told, err = notifyAll(a.failure, ns, func(notify func(context.Context) error) error {
			return a.rt.guardedWork(ctx, by, notify)
		})
		return err
	}, attribute.String(taskconv.TaskVerdictHandler, by.name))
	if err != nil {
		a.rt.handlerFailed(a, by.name, err)
	}
	if told == 0 {
		a.rt.escalations.reopen(a.window, a.failure.Suppressed) // the next failure tries again
		return
	}
	a.window = nil
	a.rt.measure(func(m *meters) { m.Escalations.Add(a, 1, a.gauge...) })
	var attrs []slog.Attr
	if n := a.failure.Suppressed; n > 0 {
		attrs = append(attrs, slog.Int(taskconv.LogSuppressed, n))
	}
	if a.failure.TraceURL != "" {
		attrs = append(attrs, slog.String(taskconv.LogTraceURL, a.failure.TraceURL))
	}
	a.emitFailure(slog.LevelWarn, taskconv.EventEscalated, "task failure escalated", attrs...)
}

// notifyAll tells each notifier once, one after the other: they are few. It returns how
// many were told.
func notifyAll(f *Failure, ns []Notifier, call func(func(context.Context) error) error) (told int, _ error) {
	var errs []error
	for i, n := range ns {
		if slices.ContainsFunc(ns[:i], func(m Notifier) bool { return same(m, n) }) {
			continue
		}
		err := call(func(ctx context.Context) error { return n.Notify(ctx, f) })
		if err == nil {
			told++
		}
		errs = append(errs, err)
	}
	return told, errors.Join(errs...)
}

// same compares notifiers, whose types may not be comparable.
func same(a, b Notifier) bool {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	return va.Comparable() && vb.Comparable() && a == b
}

// failureKind is what makes failures alike for escalation.
type failureKind struct{ name, errorType string }

// maxKinds bounds the memory of escalations; at that many kinds in one window, the
// outdated are thrown out, and if there are none, all.
const maxKinds = 4096

// escalations remembers what was escalated within the window.
type escalations struct {
	window time.Duration
	mu     sync.Mutex
	kinds  map[failureKind]*escalated
}

type escalated struct {
	until      time.Time
	suppressed int
}

// enter returns the window that a failure of this kind opens, and how many were
// suppressed in the last; no window if it falls into one.
func (e *escalations) enter(k failureKind, now time.Time) (suppressed int, opened *escalated) {
	if e.window < 0 {
		return 0, new(escalated)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if past := e.kinds[k]; past != nil {
		if now.Before(past.until) {
			past.suppressed++
			return 0, nil
		}
		suppressed = past.suppressed
	}
	if len(e.kinds) >= maxKinds {
		e.tidyLocked(now)
	}
	if e.kinds == nil {
		e.kinds = map[failureKind]*escalated{}
	}
	opened = &escalated{until: now.Add(e.window)}
	e.kinds[k] = opened
	return suppressed, opened
}

// reopen takes back a window in which nobody could be told: the next failure is to be
// escalated, and to tell of this one and of those that were suppressed.
func (e *escalations) reopen(w *escalated, suppressed int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w.until = time.Time{}
	w.suppressed += suppressed + 1
}

func (e *escalations) tidyLocked(now time.Time) {
	for k, past := range e.kinds {
		if !now.Before(past.until) {
			delete(e.kinds, k)
		}
	}
	if len(e.kinds) >= maxKinds {
		clear(e.kinds)
	}
}

// traceURL fills the config's template in.
func (rt *Runtime) traceURL(sc trace.SpanContext) string {
	if rt.cfg.TraceURL == "" || !sc.IsValid() {
		return ""
	}
	return strings.NewReplacer("{trace_id}", sc.TraceID().String(), "{span_id}", sc.SpanID().String()).Replace(rt.cfg.TraceURL)
}
