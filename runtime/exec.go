package postlude

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/otelx"
	"github.com/postlude/postlude/runtime/taskconv"
)

// This file is the heart: one attempt, from the worker that takes it to its fate.
//
//	begin    span and context; the processors' OnStart; the task has started
//	call     the function, its panics as errors
//	judge    what came of it; on failure the handlers are asked, in OnEnding
//	end      the span ends; the processors' OnEnd
//	act      the record, the handlers' work, and what the verdict says: a retry, a
//	         fallback, an escalation, or the end
//
// An attempt belongs to one goroutine at a time, a worker's. Should user code end that
// goroutine (runtime.Goexit), the next one goes on at the stage that was reached.

// attempt is one execution of a task's function. It is also the context that the
// function gets, see context.go: the task's values, the span, and cancellation.
type attempt struct {
	*task
	nth      int32 // see number
	stage    stage
	exported bool // its span goes to the provider's processors
	told     bool // the span has the attributes that only a reader needs
	counted  bool // its start is in the metrics

	values context.Context              // the task's, and what starting the span added to them
	ends   atomic.Pointer[cancellation] // nil: nobody has asked for it

	span  sdktrace.ReadWriteSpan
	local otelx.Local   // is span where that is not the SDK's; has the start in any case
	took  time.Duration // until the function returned

	err       error
	*judgment // nil until it has failed
}

// stage is how far an attempt has come.
type stage uint8

const (
	beginning stage = iota
	calling
	judging
	asking // a handler, see watch.go
	acting
	concluded
)

func newAttempt(t *task, nth int32) *attempt {
	a := &attempt{task: t, nth: nth}
	a.local.StartAt(time.Now())
	return a
}

// start and end are those of the function.
func (a *attempt) start() time.Time { return a.local.StartTime() }
func (a *attempt) end() time.Time   { return a.start().Add(a.took) }

// failed tells whether there is a failure.
func (a *attempt) failed() bool { return a.judgment != nil && a.failure != nil }

// number is that of the attempt, 1 for the first.
func (a *attempt) number() int { return int(a.nth) }

// queued is how long the task was ready before the attempt started. It can be asked until
// the attempt is over.
func (a *attempt) queued() time.Duration {
	d := time.Duration(a.rt.queue.when(a.start()) - a.readyAt)
	if a.in != nil {
		d += a.in.waited
	}
	return d
}

// run carries out the attempt that w's task is ready for.
func (rt *Runtime) run(w *worker) {
	t := w.task
	if t.out != nil {
		rt.enqueueLate(w) // another process may run it
		w.freed = 0
		return
	}
	a := newAttempt(t, t.attempt.Add(1))
	a.values = t.ctx
	w.now = a
	if a.nth == 1 {
		rt.budget.attempted(rt.queue.when(a.start()))
	}
	a.begin()
	a.call()
	rt.conclude(w)
	if w.freed = 0; !a.failed() { // what came after a success took no time
		w.freed = rt.queue.when(a.end())
	}
}

// conclude goes on after the function, or where a goroutine died. A stage that killed
// its goroutine is not entered again: it would kill the next one, too.
func (rt *Runtime) conclude(w *worker) {
	a := w.now
	switch a.stage {
	case beginning:
		a.beginAgain()
		fallthrough
	case calling, asking:
		resumed := a.stage == asking
		a.stage = judging
		if resumed {
			a.askOn()
		} else {
			a.judge(w)
		}
		a.release()
		a.finishSpan()
		a.stage = acting
		a.act()
	case judging:
		a.stage = acting
		a.judgeAgain()
		a.act()
	case acting:
		a.actAgain()
	}
	w.now = nil
}

// begin makes the attempt's context and span.
func (a *attempt) begin() {
	if a.in != nil {
		a.open()
		a.err = a.in.broken
	}
	if a.set.timeout > 0 {
		a.limit(a.set.timeout)
	}
	if cause := a.arm(a); cause != nil { // before user code, which may wait for that
		a.cancelWith(cause)
	}
	a.startSpan(a.plan.span)
	a.introduce()
	a.started()
	if cause := a.task.begin(); cause != nil {
		a.err = cause
	}
	a.stage = calling
}

// startSpan starts a span. Should the provider's processors or sampler panic, the attempt
// goes on with a span that is recorded here only.
func (a *attempt) startSpan(of *otelx.Template) {
	p := panics.Try(func() {
		var own bool
		if a.span, a.exported, own = of.StartOwn(trace.SpanFromContext(a.values), a.detached, &a.local); !own {
			a.values, a.span, a.exported = of.StartIn(a.detached(), &a.local)
		}
	})
	if p != nil {
		a.startAlone(of)
		a.rt.telemetryFailed(a, "starting the span", p)
	}
	if spanKey == nil {
		a.values = trace.ContextWithSpan(a.values, a.span)
	}
}

// startAlone starts a span without the provider. It is a new one: processors may have kept
// that which they saw.
func (a *attempt) startAlone(of *otelx.Template) {
	local := new(otelx.Local)
	local.StartAt(a.start())
	a.values, a.span = of.StartLocal(a.values, local)
}

// introduce sets the user's attributes, and shows the span to the processors that are not
// ours.
func (a *attempt) introduce() {
	if a.exported && len(a.set.attrs) > 0 { // what the function sets under the same names comes after them
		a.span.SetAttributes(a.set.attrs...)
	}
	if a.set.foreign {
		a.tell(conclusion{})
		a.eachForeign(func(e *entry) { e.OnStart(a, a.span) })
	}
}

// call calls the task's function. Its panic or runtime.Goexit becomes a.err.
func (a *attempt) call() {
	if a.err != nil { // canceled before it began
		return
	}
	returned := false
	defer func() {
		if !returned {
			p := panics.Recovered(recover())
			p.Stack = ownFrames(p.Stack)
			a.err = p
		}
	}()
	a.err = a.invoke(a, a.args)
	returned = true
}

// ownFrames are the frames of the task's own code: below them is the worker, the same
// each time.
func ownFrames(stack string) string {
	if own, _, ok := strings.Cut(stack, "\n"+ScopeName+".(*attempt).call("); ok {
		return own + "\n"
	}
	return stack
}

// judge finds out what the function's return means, and has the handlers decide if it
// is a failure.
func (a *attempt) judge(w *worker) {
	a.took = time.Since(a.start())
	if a.err != nil {
		a.judgment = &judgment{on: w}
		a.failure = a.diagnose()
		a.markFailed()
		a.decide()
	} else {
		a.markSucceeded()
	}
}

// act carries out the verdict. The task is then settled, or waits for a retry.
func (a *attempt) act() {
	a.measure()
	if a.err == nil {
		a.logSucceeded()
		a.settle(succeeded)
		return
	}
	switch a.verdict.action {
	case retryAfter:
		if !a.retry() {
			a.endWith(true, a.notifiers)
		}
	case fallbackTo:
		a.fallBack()
	case escalateTo:
		a.endWith(false, a.verdict.notifiers)
	case drop:
		a.giveUp()
	case requeue:
		a.handBack()
	default: // pass, handled
		a.endWith(false, nil)
	}
}

// settle gives the task its fate. It is the last thing an attempt does.
func (a *attempt) settle(f fate) {
	a.stage = concluded
	err := a.err
	if f == succeeded {
		err = nil // rescued by a fallback
	}
	if a.in != nil {
		a.report(f)
	}
	a.rt.settle(a.task, f, err)
}

// beginAgain makes up for a begin that user code ended: an argument's LogValue, a
// processor. The function is not called.
func (a *attempt) beginAgain() {
	if a.span == nil {
		a.startAlone(a.plan.span)
	}
	if !a.counted {
		a.countStart()
	}
	_ = a.task.begin()
	a.err = errGoexit
}

// judgeAgain makes up for a judgment that user code ended: the error's own methods, or
// the provider's processors.
func (a *attempt) judgeAgain() {
	defer a.finishSpan() // also if what is to be told ends this goroutine, too
	a.release()
	if a.err == nil && a.exported && !a.told { // an argument's LogValue ended it, and is not called again
		a.tell(conclusion{outcome: taskconv.OutcomeOK})
	}
	if a.err != nil && !a.decided {
		a.failure = &Failure{
			ID: a.ID(), Err: errGoexit, Kind: KindPanic, ErrorType: string(KindPanic), Attempt: a.number(),
			SpanContext: a.span.SpanContext(), Span: a.span, info: a.info(), task: a.task,
		}
		a.err = errGoexit // the other's methods must not be called again
		a.forget()
		a.markFailed()
	}
}

// actAgain ends a task whose record, or whatever else came after its judgment, ended the
// goroutine.
func (a *attempt) actAgain() {
	if a.judgment != nil && a.window != nil {
		a.rt.escalations.reopen(a.window, a.failure.Suppressed)
	}
	switch {
	case a.out != nil && a.err == nil:
		a.settle(enqueued)
	case a.out != nil:
		a.dropUnqueuedAgain()
	case a.err == nil:
		a.logAgain()
		a.settle(succeeded)
	case a.in != nil && (a.verdict.action == requeue || a.verdict.action == retryAfter):
		a.settle(requeued)
	default:
		a.settle(failed)
	}
}
