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

// enqueuePatience is how long a task whose handler has returned is tried to be enqueued:
// long enough for the failover of a database.
const enqueuePatience = 30 * time.Second

// prepare makes t one that is to be enqueued. Whatever can go wrong with the task itself
// goes wrong here, while the caller is there to see it.
func (rt *Runtime) prepare(ctx context.Context, sc *scope, t *task, ps *plans) error {
	var args json.RawMessage
	var err error
	if p := panics.Try(func() { args, err = t.job.def.encode(t.job.args) }); p != nil {
		err = p
	}
	if err != nil {
		return fmt.Errorf("%w: the arguments of task %q: %w", ErrNotDurable, t.name, err)
	}
	now := time.Now()
	o := &outgoing{
		job:      durable.Job{Task: t.name, Args: args, Options: t.set.queueing},
		envelope: t.set.envelope(ps.base),
	}
	o.envelope.ID, o.envelope.Timing, o.envelope.Scheduled = t.ID(), t.when.String(), now.UTC()
	if at := now.Add(t.set.delay); t.set.delay > 0 && at.After(o.job.At) {
		o.job.At = at
	}
	t.out = o
	t.ctx = rt.lean(ctx, sc, t.when)
	if ps.base.durable && rt.session != nil && rt.known[t.name] == nil {
		ps.warn.Do(func() {
			rt.warn("durable task %q is scheduled here, but is not in Config.Tasks: this process will not run it", t.name)
		})
	}
	return nil
}

// enqueueNow puts a task into the queue while its scheduler waits. That it does so during
// a shutdown is on purpose: a task that finishes may leave work for another process.
func (rt *Runtime) enqueueNow(ctx context.Context, t *task) (Run, error) {
	if rt.queue.refusesRetry() {
		rt.rejected(ctx, t, ErrShuttingDown)
		return Run{}, fmt.Errorf("%w (task %q)", ErrShuttingDown, t.name)
	}
	a := &attempt{task: t, start: time.Now(), Context: ctx}
	existing := a.enqueue()
	if a.err != nil {
		rt.rejected(ctx, t, a.err)
		return Run{}, fmt.Errorf("postlude: enqueueing task %q: %w", t.name, a.err)
	}
	if id, ok := parseID(existing); ok {
		t.id, t.idText = id, existing
	}
	t.emit(a, 0, slog.LevelDebug, taskconv.EventScheduled, "task scheduled")
	a.logEnqueued(existing)
	t.begin()
	rt.queue.enqueued(t)
	return Run{t}, nil
}

// enqueueLate puts a task into the queue whose timing has come; a worker does it.
func (rt *Runtime) enqueueLate(w *worker) {
	t := w.task
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	timed, stop := context.WithTimeoutCause(ctx, rt.cfg.WorkTimeout, errWorkTimeout)
	defer stop()
	a := &attempt{task: t, start: time.Now(), Context: timed, stage: acting}
	w.now = a
	if cause := t.arm(cancel); cause != nil {
		cancel(cause)
	}
	rt.measure(func(m *meters) { m.Pending.Add(a, -1, a.gauge...) })
	t.begin()
	existing := a.enqueue()
	switch {
	case a.err == nil:
		a.logEnqueued(existing)
		a.settle(enqueued)
	case a.stopped():
		a.logFailed(canceled)
		a.settle(canceled)
	case !a.enqueueAgain():
		a.dropUnqueued()
	}
	w.now = nil
}

// enqueue stores the task, in a PRODUCER span that its attempts will be children of. It
// returns the id of the task that is in the queue in its place, if there is one.
func (a *attempt) enqueue() (existing string) {
	a.startSpan(a.plan.schedule)
	a.told = true // what follows is all that there is to tell
	if a.exported {
		id, args := a.shown()
		a.span.SetAttributes(attribute.String(taskconv.TaskID, id), attribute.String(taskconv.TaskArgs, string(args)),
			attribute.String(taskconv.TaskQueue, cmp.Or(a.out.job.Queue, durable.DefaultQueue)))
		a.span.SetAttributes(a.set.attrs...)
	}
	e := a.out.envelope
	e.Carrier = map[string]string{}
	if p := panics.Try(func() { a.rt.propagator().Inject(a.Context, propagation.MapCarrier(e.Carrier)) }); p != nil {
		a.rt.telemetryFailed(a, "injecting the trace context", p)
	}
	existing, a.err = a.store(e)
	a.end = time.Now()
	if a.err != nil {
		a.failure = a.diagnose()
		a.markFailed()
	} else if existing != "" {
		a.span.SetAttributes(attribute.String(taskconv.TaskDuplicateOf, existing))
	}
	if p := panics.Try(a.endSpan); p != nil {
		a.rt.telemetryFailed(a, "ending the span", p)
	}
	return existing
}

func (a *attempt) store(e durable.Envelope) (existing string, err error) {
	job := a.out.job
	if job.Envelope, err = e.Encode(); err != nil {
		return "", err
	}
	var receipt durable.Receipt
	if p := panics.Try(func() { receipt, err = a.rt.cfg.Engine.Enqueue(a.Context, job) }); p != nil {
		err = p
	}
	if err != nil || receipt.Duplicate == nil {
		return "", err
	}
	// Whose envelope can't be read is a duplicate all the same, of an unknown task.
	there, _ := durable.Decode(receipt.Duplicate)
	return there.ID, nil
}

// enqueueAgain has the task wait for another try. It reports false if there will be none.
func (a *attempt) enqueueAgain() bool {
	o := a.out
	wait := 100 * time.Millisecond
	if o.failing.IsZero() {
		o.failing = a.start
		a.emit(slog.LevelWarn, taskconv.EventRetrying, "task could not be enqueued, will be tried again",
			append(a.failureAttrs(), millis(taskconv.LogRetryDelayMS, wait))...)
	}
	failing := time.Since(o.failing)
	if failing >= enqueuePatience {
		return false
	}
	wait = max(wait, min(failing, 2*time.Second)) // doubles, roughly
	a.rt.measure(func(m *meters) { m.Pending.Add(a, 1, a.gauge...) })
	a.stage = concluded
	if a.rt.queue.retry(a.task, add(a.rt.queue.now(), wait)) { // from here on, it may be another worker's
		return true
	}
	a.stage = acting
	a.rt.measure(func(m *meters) { m.Pending.Add(a, -1, a.gauge...) })
	return false
}

// dropUnqueued ends a task that can't be enqueued, and tells whoever is to be told of
// failures. Its error handlers are not asked: what would be retried or done instead is
// the task, and that has not failed.
func (a *attempt) dropUnqueued() {
	a.askNotes()
	due := a.enterEscalation(a.notifiers)
	a.rt.rememberFailure(a)
	a.rt.countDropped(a, a.task, taskconv.ReasonEnqueueFailed)
	a.emit(slog.LevelError, taskconv.EventDropped, "task dropped: it could not be enqueued",
		append(a.failureAttrsAs(taskconv.OutcomeDropped), slog.String(taskconv.LogReason, taskconv.ReasonEnqueueFailed))...)
	if due {
		a.escalate(a.notifiers)
	}
	if a.rt.queue.isClosed() {
		a.rt.leave(a.task, StateDropped)
	}
	a.settle(dropped)
}

func (a *attempt) logEnqueued(existing string) {
	a.rt.measure(func(m *meters) { m.Enqueued.Add(a, 1, a.gauge...) })
	var attrs []slog.Attr
	if existing != "" {
		attrs = append(attrs, slog.String(taskconv.TaskDuplicateOf, existing))
	}
	a.emit(slog.LevelDebug, taskconv.EventEnqueued, "task enqueued", attrs...)
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
