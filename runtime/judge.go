package postlude

import (
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/panics"
)

// judgment is what is decided about an attempt that failed.
type judgment struct {
	failure    *Failure // nil until the error was looked at
	diagnosis  Failure  // the attempt's failure, until more is known
	verdict    Verdict
	by         *entry     // the handler that gave it
	work       []work     // that handlers added
	notifiers  []Notifier // noted by Escalate
	notedBy    *entry
	escalation string                // what is to come of telling them
	window     *escalated            // that this failure opened, until somebody was told
	overBudget bool                  // a retry was refused
	ended      trace.SpanEventOption // see endTime
	decided    bool                  // nobody needs to ask the error's methods for that any more

	on    *worker // that the attempt runs on; nil where no handler is asked for a decision
	asked int     // handlers, the one that is being asked included
	fault error   // why that one is passed over, if this goroutine does not get to know its answer
}

// decide finds the verdict. It is for the handlers to give, but for durable tasks that this
// process can't finish: what is interrupted has not failed, and what can't be read is not
// the handlers' to judge.
func (a *attempt) decide() {
	switch {
	case a.interrupted():
		a.verdict = Verdict{action: requeue}
		a.eachForeign(func(e *entry) { e.OnEnding(a.span) })
		a.markVerdict()
	case a.isBroken():
		a.unreadable()
	default:
		a.ask()
	}
	a.conclusive()
}

func (a *attempt) conclusive() {
	a.noteVerdict()
	a.decided = true
	a.on = nil // who keeps the failure shall not keep the worker
}

// interrupted tells whether the attempt was to end, to be made again elsewhere, before it
// failed. How it failed is no matter then, be it a panic: what it does when its context
// ends says little of what it does otherwise.
func (a *attempt) interrupted() bool {
	return a.handedBack() && a.failure.cause != nil && a.failure.cause != errTimeout
}

// askNotes asks only whom to tell.
func (a *attempt) askNotes() {
	for _, e := range a.set.handlers {
		if e.notes {
			_, noted := a.askOne(e)
			a.note(e, noted)
		}
	}
}

// note remembers whom a handler wants to be told if nobody decides.
func (a *attempt) note(e *entry, ns []Notifier) {
	if len(ns) > 0 && a.notedBy == nil {
		a.notedBy = e
	}
	a.notifiers = append(a.notifiers, ns...)
}

// ask has the handlers decide, in order. Ours are asked until one has decided;
// processors of other types see the span in any case.
func (a *attempt) ask() {
	for a.asked < len(a.set.handlers) {
		e := a.set.handlers[a.asked]
		a.asked++
		decided := a.verdict.action != pass
		if decided && e.ours && !e.notes {
			continue
		}
		v, noted := a.askOne(e)
		a.note(e, noted)
		if !decided { // else it comes too late, with its work
			a.take(e, v)
		}
	}
	if a.verdict.action == pass && !a.stopped() {
		a.lastResort()
	}
	a.markVerdict()
}

// askOn goes on with the handlers after one that ended the worker's goroutine, or holds it up.
func (a *attempt) askOn() {
	a.passedOver(a.set.handlers[a.asked-1], a.fault)
	a.ask()
	a.conclusive()
}

// take makes an answer the verdict, if it is one that can be carried out.
func (a *attempt) take(e *entry, v Verdict) {
	for _, do := range v.work {
		if do != nil {
			a.work = append(a.work, work{e, do})
		}
	}
	if refused := a.refusal(v); refused != nil {
		a.rt.handlerFailed(a, e.name, refused)
		return
	}
	if v.action == retryAfter && isPermanent(a.err) {
		return
	}
	if v.action == retryAfter && !a.stopped() && !a.rt.budget.spend(a.rt.queue.now()) {
		a.overBudget = true
		return
	}
	if v.action != pass {
		a.verdict, a.by = v, e
	}
}

// taskFallback is who gave the verdict when Task.Fallback is used.
var taskFallback = &entry{name: "Task.Fallback", workGuard: new(guard)}

// lastResort is the verdict when nobody decided: what was noted for that. A fallback
// comes first, and who is to be told is told once, if that fails or there is none.
func (a *attempt) lastResort() {
	switch {
	case a.def != nil && a.def.fallback != nil:
		a.verdict, a.by = FallbackTo(Job{def: a.def.fallback, args: a.args}), taskFallback
	case len(a.notifiers) > 0:
		a.verdict, a.by = EscalateTo(a.notifiers...), a.notedBy
	}
}

// askOne returns the handler's answer, which is Pass if it failed, and whom it noted.
func (a *attempt) askOne(e *entry) (v Verdict, noted []Notifier) {
	asks, err := e.asks(a.failure)
	if err != nil {
		a.rt.handlerFailed(a, e.name, err)
	}
	switch {
	case asks && e.direct != nil:
		return a.askDirectly(e)
	case asks:
		return a.put(a.question(e))
	case !e.ours: // it sees the span, but is not asked
		a.guarded(e, func() { e.OnEnding(a.span) })
	}
	return Pass, nil
}

// put puts a question to its handler.
func (a *attempt) put(q *question) (v Verdict, noted []Notifier) {
	var err error
	if a.on != nil && q.of.guard.trusts() {
		err = a.on.ask(q, a.rt.cfg.HandlerTimeout)
	} else {
		err = a.rt.guarded(q.of.guard, q.of.name, a.rt.cfg.HandlerTimeout, q.ask)
	}
	v, noted = q.decision.take()
	if err != nil {
		a.passedOver(q.of, err)
		return Pass, nil
	}
	return v, noted
}

// askDirectly asks one that needs no question. It runs the error's methods.
func (a *attempt) askDirectly(e *entry) (v Verdict, noted []Notifier) {
	if p := panics.Try(func() { v, noted = e.direct(a.failure) }); p != nil {
		a.passedOver(e, p)
		return Pass, nil
	}
	return v, noted
}

// refusal tells why a verdict can't be carried out.
func (a *attempt) refusal(v Verdict) error {
	switch v.action {
	case fallbackTo:
		if err := v.job.check(); err != nil {
			return fmt.Errorf("FallbackTo was given an unusable job: %w", err)
		}
		if a.in != nil && v.job.def == nil {
			return fmt.Errorf("%w: FallbackTo was given a closure, which knows nothing of the process that scheduled the task: give it a Task", ErrNotDurable)
		}
	case escalateTo:
		if len(v.notifiers) == 0 || slices.Contains(v.notifiers, nil) {
			return errors.New("EscalateTo was given no notifier, or a nil one")
		}
	}
	return nil
}

// eachForeign calls the processors that are not ours, each contained. Where there are
// none, the caller saves itself the closure.
func (a *attempt) eachForeign(call func(*entry)) {
	for _, e := range a.set.handlers {
		if !e.ours {
			a.guarded(e, func() { call(e) })
		}
	}
}

// guarded calls into a processor that is not ours, and is not asked.
func (a *attempt) guarded(e *entry, fn func()) {
	if err := a.rt.guarded(e.guard, e.name, a.rt.cfg.HandlerTimeout, fn); err != nil {
		a.passedOver(e, err)
	}
}

// passedOver reports a handler that panicked or blocked. While it blocks, its failures are
// counted only: one record tells it all.
func (a *attempt) passedOver(e *entry, why error) {
	if why == errSkipped { // not errors.Is: it would ask what a handler threw
		a.rt.measure(func(m *meters) { m.HandlerErrors.Add(a, 1, a.gauge...) })
		return
	}
	a.rt.handlerFailed(a, e.name, why)
}
