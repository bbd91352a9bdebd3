package postlude

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/taskconv"
)

// outgoing is what a durable task has on its way into the queue.
type outgoing struct {
	job      durable.Job
	envelope durable.Envelope
	failing  time.Time // since when it can't be enqueued
}

// A task whose handler has returned is tried to be enqueued for enqueuePatience: long enough
// for the failover of a database. enqueueTry bounds a try, as a database that hangs must
// neither use that up at once nor hold a worker for as long.
const (
	enqueuePatience = 30 * time.Second
	enqueueTry      = 5 * time.Second
)

// prepare makes t one that is to be enqueued. Whatever can go wrong with the task itself
// goes wrong here, while the caller is there to see it.
func (rt *Runtime) prepare(ctx context.Context, sc *scope, t *task, ps *plans) error {
	var args json.RawMessage
	var err error
	if p := panics.Try(func() { args, err = t.def.encode(t.args) }); p != nil {
		err = p
	}
	if err != nil {
		return fmt.Errorf("%w: the arguments of task %q: %w", ErrNotDurable, t.name, err)
	}
	o := &outgoing{
		job:      durable.Job{Task: t.name, Args: args, Options: t.set.queueing},
		envelope: t.set.envelope(ps.base),
	}
	if o.envelope.ID = t.ID(); t.when != immediate {
		o.envelope.Timing = t.when.String()
	}
	if t.set.delay > 0 {
		if at := time.Now().Add(t.set.delay); at.After(o.job.At) {
			o.job.At = at
		}
	}
	t.out = o
	t.ctx = rt.lean(ctx, sc, t.when)
	rt.warnUnknown(ps)
	return nil
}

// warnUnknown tells of a task that will not run here as its author may think.
func (rt *Runtime) warnUnknown(ps *plans) {
	known := rt.known[ps.name]
	switch {
	case rt.cfg.EnqueueOnly:
	case known == nil:
		ps.warn.Do(func() {
			rt.warn("durable task %q is scheduled here, but is not in Config.Tasks: this process will not run it (Config.EnqueueOnly says that this is meant)", ps.name)
		})
	case known != ps:
		ps.warn.Do(func() {
			rt.warn("durable task %q is scheduled by another definition than that in Config.Tasks, whose function, options and fallback are what runs (Task.Fallback makes a copy)", ps.name)
		})
	}
}

// enqueueNow puts a task into the queue while its scheduler waits. That it does so during
// a shutdown is on purpose: a task that finishes may leave work for another process.
func (rt *Runtime) enqueueNow(ctx context.Context, t *task) (Run, error) {
	if rt.queue.refusesRetry() {
		rt.rejected(ctx, t, ErrShuttingDown)
		return Run{}, fmt.Errorf("%w (task %q)", ErrShuttingDown, t.name)
	}
	a := newAttempt(t, 0)
	a.within(ctx)
	there := a.enqueue()
	if a.err != nil {
		rt.rejected(ctx, t, a.err)
		return Run{}, fmt.Errorf("postlude: enqueueing task %q: %w", t.name, a.err)
	}
	if id, ok := parseID(there.id); ok {
		t.id, t.text().id = id, there.id
	}
	t.emit(a, 0, slog.LevelDebug, taskconv.EventScheduled, "task scheduled")
	a.logEnqueued(there)
	_ = t.begin()
	rt.queue.enqueued(t, there.fate())
	return Run{t}, nil
}

// enqueueLate puts a task into the queue whose timing has come; a worker does it.
func (rt *Runtime) enqueueLate(w *worker) {
	t := w.task
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	timed, stop := context.WithTimeoutCause(ctx, min(enqueueTry, rt.cfg.WorkTimeout), errWorkTimeout)
	defer stop()
	a := newAttempt(t, 0)
	a.stage = acting
	a.within(timed)
	w.now = a
	if cause := t.arm(cancelFunc(cancel)); cause != nil {
		cancel(cause)
	}
	_ = t.begin()
	there := a.enqueue()
	switch {
	case a.err == nil:
		a.logEnqueued(there)
		a.settle(there.fate())
	case !a.stopped() && a.enqueueAgain():
	case a.stopped():
		a.logFailed(canceled)
		a.settle(canceled)
	default:
		a.dropUnqueued()
	}
	w.now = nil
}

// existing is the task that is in the queue in another's place; most often there is none.
type existing struct {
	duplicate bool
	id        string // "" if its envelope can't be read
}

func (e existing) fate() fate {
	if e.duplicate {
		return duplicate
	}
	return enqueued
}

// enqueue stores the task, in a PRODUCER span that its attempts will be children of, or
// finds one there in its place. Its error is in a.err.
func (a *attempt) enqueue() (there existing) {
	a.err = errGoexit // stays if user code ends the goroutine
	a.startSpan(a.plan.schedule)
	a.told = true // what follows is all that there is to tell
	if a.exported {
		shown := a.text()
		a.span.SetAttributes(attribute.String(taskconv.TaskID, shown.id), attribute.String(taskconv.TaskArgs, shown.args.String()),
			attribute.String(taskconv.TaskQueue, cmp.Or(a.out.job.Queue, durable.DefaultQueue)))
		a.span.SetAttributes(a.set.attrs...)
	}
	e := a.out.envelope
	if p := panics.Try(func() { a.rt.propagator().Inject(a, &e.Carrier) }); p != nil {
		a.rt.telemetryFailed(a, "injecting the trace context", p)
	}
	there, a.err = a.store(e)
	a.took = time.Since(a.start())
	if a.err != nil {
		a.judgment = new(judgment)
		a.failure = a.diagnose()
		a.markFailed()
	} else if there.duplicate {
		a.span.SetAttributes(attribute.String(taskconv.TaskDuplicateOf, there.id))
	}
	if p := panics.Try(a.endSpan); p != nil {
		a.rt.telemetryFailed(a, "ending the span", p)
	}
	return there
}

func (a *attempt) store(e durable.Envelope) (there existing, err error) {
	if a.Err() != nil { // an engine may not look
		return existing{}, context.Cause(a)
	}
	job := a.out.job
	if job.Envelope, err = e.Encode(); err != nil {
		return existing{}, err
	}
	var receipt durable.Receipt
	if p := panics.Try(func() { receipt, err = a.rt.cfg.Engine.Enqueue(a, job) }); p != nil {
		err = p
	}
	if err != nil || receipt.Duplicate == nil {
		return existing{}, err
	}
	other, _ := durable.Decode(receipt.Duplicate)
	return existing{duplicate: true, id: other.ID}, nil
}

// enqueueAgain has the task wait for another try. It reports false if there will be none.
func (a *attempt) enqueueAgain() bool {
	o, wait := a.out, 100*time.Millisecond
	first := o.failing.IsZero()
	if first {
		o.failing = a.start()
	}
	failing := time.Since(o.failing)
	if failing >= enqueuePatience {
		return false
	}
	wait = max(wait, min(failing, 2*time.Second)) // doubles, roughly
	if first {
		a.emitFailure(slog.LevelWarn, taskconv.EventRetrying, "task could not be enqueued, will be tried again",
			millis(taskconv.LogRetryDelayMS, wait))
	}
	a.remembered().message = head(a.failure.Message(), maxMessage)
	a.stage = concluded
	if a.rt.queue.retry(a.task, add(a.rt.queue.now(), wait)) { // from here on, it may be another worker's
		return true
	}
	a.stage = acting
	return false
}

// dropUnqueued ends a task that can't be enqueued, and tells whoever is to be told of
// failures. Its error handlers are not asked: what would be retried or done instead is
// the task, and that has not failed.
func (a *attempt) dropUnqueued() {
	a.askNotes()
	due := a.enterEscalation(a.notifiers)
	a.rt.rememberFailure(a, StateDropped)
	a.rt.countDropped(a, a.task, taskconv.ReasonEnqueueFailed)
	a.emitFailureAs(taskconv.OutcomeDropped, slog.LevelError, taskconv.EventDropped, "task dropped: it could not be enqueued",
		slog.String(taskconv.LogReason, taskconv.ReasonEnqueueFailed))
	if due {
		a.escalate(a.notifiers)
	}
	if a.rt.queue.isClosed() {
		a.rt.leave(a.task, StateDropped)
	}
	a.settle(dropped)
}

func (a *attempt) logEnqueued(there existing) {
	if there.duplicate {
		a.emit(slog.LevelDebug, taskconv.EventEnqueued, "task is in the queue already", slog.String(taskconv.TaskDuplicateOf, there.id))
		return
	}
	a.rt.measure(func(m *meters) { m.Enqueued.Add(a, 1, a.gauge...) })
	a.emit(slog.LevelDebug, taskconv.EventEnqueued, "task enqueued")
}

// dropUnqueuedAgain makes up for an enqueueing that user code ended: a log handler, an
// argument's LogValue. Nothing of theirs can end this, but for its own goroutine.
func (a *attempt) dropUnqueuedAgain() {
	_ = within(context.WithoutCancel(a), 0, func(ctx context.Context) error {
		a.rt.countDropped(ctx, a.task, taskconv.ReasonEnqueueFailed)
		if a.span != nil {
			a.span.End()
		}
		a.emit(slog.LevelError, taskconv.EventDropped, "task dropped: its enqueueing ended its goroutine",
			slog.String(taskconv.TaskOutcome, taskconv.OutcomeDropped), slog.String(taskconv.LogReason, taskconv.ReasonEnqueueFailed))
		return nil
	})
	a.settle(dropped)
}

// propagator is what the trace context travels by. otel's global one does nothing until
// the application sets it; a durable task shall keep its trace also where that was
// forgotten.
func (rt *Runtime) propagator() propagation.TextMapPropagator {
	p := rt.cfg.Propagator
	if p == nil {
		p = otel.GetTextMapPropagator()
		if len(p.Fields()) == 0 {
			return w3c
		}
	}
	return p
}

var w3c = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// envelope has what the call set otherwise than the definition did.
func (s *settings) envelope(base *settings) (e durable.Envelope) {
	if s.shield != base.shield {
		e.Shield = &s.shield
	}
	if s.timeout != base.timeout {
		e.Timeout = &s.timeout
	}
	if s.relation != base.relation {
		relation := uint8(s.relation)
		e.Relation = &relation
	}
	for _, kv := range s.attrs {
		if !slices.Contains(base.attrs, kv) {
			e.Attributes = append(e.Attributes, packAttribute(kv))
		}
	}
	return e
}
