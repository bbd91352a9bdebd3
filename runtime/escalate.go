package postlude

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/runtime/taskconv"
)

const escalateName = "Escalate"

// Escalate is an error handler that notes whom to tell of a failure. It does not decide:
// they are told when nobody did, after the retries, and after the fallback if that failed,
// too; once, though several Escalate name them. Failures of the same task name and error
// type are escalated once in Config.EscalationWindow. A canceled task is not escalated.
//
// On a TracerProvider (sdktrace.WithSpanProcessor) it also tells of SERVER spans that end
// as errors and are no tasks, from goroutines of its own, at most four at a time, and
// once in DefaultEscalationWindow for each name and error type. Their Failure is built
// from the span: it has no arguments, no Span and no History. Shutdown and ForceFlush wait
// for them.
func Escalate(ns ...Notifier) ErrorHandler {
	e := &escalation{ns: ns, slots: make(chan struct{}, maxServerEscalations)}
	e.seen.window = DefaultEscalationWindow
	return e
}

type escalation struct {
	passive
	ns []Notifier

	// Of SERVER spans only, see serverspan.go.
	slots   chan struct{}
	seen    escalations
	running sync.WaitGroup
}

func (e *escalation) own() (string, *guard) { return escalateName, nil }

func (e *escalation) check() error {
	if len(e.ns) == 0 || slices.Contains(e.ns, nil) {
		return errors.New("Escalate was given no notifier, or a nil one")
	}
	return nil
}

// OnEnding notes.
func (e *escalation) OnEnding(s sdktrace.ReadWriteSpan) {
	if f, ok := FailureOf(s); ok && f.decision != nil {
		f.decision.note(e.ns)
	}
}

// escalate tells the notifiers, all of them, unless others of the kind were told lately.
func (a *attempt) escalate(ns []Notifier) {
	if len(ns) == 0 || a.stopped() {
		return
	}
	by := a.by
	if by == taskFallback || a.verdict.action != escalateTo {
		by = a.notedBy
	}
	kind := failureKind{a.name, a.failure.ErrorType}
	suppressed, first := a.rt.escalations.enter(kind, time.Now())
	if !first {
		a.escalation = taskconv.EscalationSuppressed
		return
	}
	a.failure.Suppressed = suppressed
	err := a.inSpan(taskconv.SpanEscalate, func(ctx context.Context) error {
		return notifyAll(a.failure, ns, func(notify func(context.Context) error) error {
			return a.rt.guardedWork(ctx, by, notify)
		})
	})
	if err != nil {
		a.escalation = taskconv.EscalationFailed
		a.rt.escalations.forget(kind) // the next failure tries again
		a.rt.handlerFailed(a, by.name, err)
		return
	}
	a.escalation = taskconv.EscalationSent
	a.rt.measure(func(m *meters) { m.Escalations.Add(a, 1, a.gauge...) })
	a.emit(slog.LevelWarn, taskconv.EventEscalated, "task failure escalated",
		append(a.failureAttrs(), slog.Int(taskconv.LogSuppressed, suppressed))...)
}

// notifyAll tells each notifier once, one after the other: they are few.
func notifyAll(f *Failure, ns []Notifier, call func(func(context.Context) error) error) error {
	var errs []error
	for i, n := range ns {
		if slices.ContainsFunc(ns[:i], func(m Notifier) bool { return same(m, n) }) {
			continue
		}
		errs = append(errs, call(func(ctx context.Context) error { return n.Notify(ctx, f) }))
	}
	return errors.Join(errs...)
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

// enter reports whether a failure of this kind is the first in its window, and how many
// were suppressed in the last.
func (e *escalations) enter(k failureKind, now time.Time) (suppressed int, first bool) {
	if e.window < 0 {
		return 0, true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if past := e.kinds[k]; past != nil {
		if now.Before(past.until) {
			past.suppressed++
			return 0, false
		}
		suppressed = past.suppressed
	}
	if len(e.kinds) >= maxKinds {
		e.tidyLocked(now)
	}
	if e.kinds == nil {
		e.kinds = map[failureKind]*escalated{}
	}
	e.kinds[k] = &escalated{until: now.Add(e.window)}
	return suppressed, true
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

// forget takes back an enter whose notification failed.
func (e *escalations) forget(k failureKind) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.kinds, k)
}

// traceURL fills the config's template in.
func (rt *Runtime) traceURL(sc trace.SpanContext) string {
	if rt.cfg.TraceURL == "" || !sc.IsValid() {
		return ""
	}
	return strings.NewReplacer("{trace_id}", sc.TraceID().String(), "{span_id}", sc.SpanID().String()).Replace(rt.cfg.TraceURL)
}
