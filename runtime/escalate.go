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
	suppressed, due := a.rt.escalations.enter(a.kind(), time.Now())
	a.failure.Suppressed = suppressed
	a.escalation = taskconv.EscalationSuppressed
	if due {
		a.escalation = taskconv.EscalationStarted
	}
	return due
}

func (a *attempt) kind() failureKind { return failureKind{a.name, a.failure.ErrorType} }

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
		a.rt.escalations.forget(a.kind()) // the next failure tries again
		return
	}
	a.rt.measure(func(m *meters) { m.Escalations.Add(a, 1, a.gauge...) })
	attrs := a.failureAttrs()
	if n := a.failure.Suppressed; n > 0 {
		attrs = append(attrs, slog.Int(taskconv.LogSuppressed, n))
	}
	if a.failure.TraceURL != "" {
		attrs = append(attrs, slog.String(taskconv.LogTraceURL, a.failure.TraceURL))
	}
	a.emit(slog.LevelWarn, taskconv.EventEscalated, "task failure escalated", attrs...)
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
