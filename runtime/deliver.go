package postlude

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/taskconv"
)

// incoming is a durable task that the queue delivered, in one piece.
type incoming struct {
	task       task
	base       leanContext // of the task
	queue, job string      // the name of the queue, and its id of the job
	attempt    int         // the queue's number of this one
	refused    int         // of those before, see memory
	args       json.RawMessage
	carrier    durable.Carrier
	waited     time.Duration // in the queue, since it could have been delivered
	broken     error         // why the task can't be attempted
	outcome    durable.Outcome
}

// maxLost is how many attempts in a row may end with the process before the task is taken
// for the cause.
const maxLost = 10

// deliver carries out one attempt of a job, on a worker like any other, and tells the
// engine what is to become of the job. The zero Outcome hands it back.
func (rt *Runtime) deliver(ctx context.Context, d durable.Delivery) durable.Outcome {
	ps := rt.known[d.Task]
	if ps == nil { // the engine should not have
		return durable.Outcome{Action: durable.Retry, Delay: time.Minute, Error: "the task is not in Config.Tasks of this process"}
	}
	t := rt.receive(ps, &d)
	done := Run{t}.Done()
	if !rt.queue.deliver(t) {
		return durable.Outcome{}
	}
	select {
	case <-done:
	case <-ctx.Done():
		t.stop(durable.Cause(ctx))
		<-done
	}
	return t.in.outcome
}

// receive makes a task of a delivery. A task that can't be attempted is one, too: it
// fails with the reason.
func (rt *Runtime) receive(ps *plans, d *durable.Delivery) *task {
	in := new(incoming)
	t := &in.task
	in.queue, in.job, in.attempt, in.args, in.broken = cmp.Or(d.Queue, durable.DefaultQueue), d.ID, d.Attempt, d.Args, d.Err
	if !d.Ready.IsZero() {
		in.waited = max(0, time.Since(d.Ready)) // the clocks of two machines may differ
	}
	e, err := durable.Decode(d.Envelope)
	if in.broken == nil {
		in.broken = err
	}
	in.carrier = e.Carrier
	t.set = ps.base.delivered(&e)
	t.plan, t.in = ps.plan(parseTiming(e.Timing), t.set), in
	if t.id, _ = parseID(e.ID); e.ID == "" {
		t.id = newID(time.Now())
	}
	t.recall(d)
	in.base.scope = &rt.scope
	t.ctx = &in.base
	return t
}

// open decodes what application code encoded: trace context, baggage and arguments. It is
// for the worker, as that survives what such code does. Arguments that can't be decoded
// are shown as a stranger's: nothing tells what in them is secret.
func (a *attempt) open() {
	t, base := a.task, a.task.ctx
	p := panics.Try(func() {
		if ctx := t.rt.propagator().Extract(base, &t.in.carrier); ctx != nil {
			t.ctx = ctx
		}
	})
	if p != nil {
		t.rt.telemetryFailed(a, "extracting the trace context", p)
	}
	a.values = t.ctx
	var err error
	if p := panics.Try(func() { t.args, err = t.def.decode(t.in.args) }); p != nil {
		err = p
	}
	if err == nil {
		return
	}
	var raw any
	_ = json.Unmarshal(t.in.args, &raw)
	t.args = masked(raw)
	if t.in.broken == nil {
		t.in.broken = fmt.Errorf("%w: %w", durable.ErrArguments, err)
	}
}

// delivered is the definition's settings with what the envelope has of the call's.
func (s *settings) delivered(e *durable.Envelope) *settings {
	if e.Shield == nil && e.Timeout == nil && e.Relation == nil && len(e.Attributes) == 0 {
		return s
	}
	n := *s
	if e.Shield != nil {
		n.shield = *e.Shield
	}
	if e.Timeout != nil {
		n.timeout = *e.Timeout
	}
	if e.Relation != nil && Rel(*e.Relation) <= None {
		n.relation = Rel(*e.Relation)
	}
	for _, packed := range e.Attributes {
		if kv, ok := unpackAttribute(packed); ok && !reserved(packed.Key) {
			Attributes(kv).applyTask(&n)
		}
	}
	return &n
}

func parseTiming(s string) timing {
	for when := range timings {
		if when.String() == s {
			return when
		}
	}
	return immediate
}

// parseID reads an id that may come from anywhere. Dashes mean nothing.
func parseID(s string) (id [16]byte, ok bool) {
	digits := make([]byte, 0, hex.EncodedLen(len(id)))
	for i := range len(s) {
		switch {
		case s[i] == '-':
		case len(digits) == cap(digits):
			return id, false
		default:
			digits = append(digits, s[i])
		}
	}
	n, err := hex.Decode(id[:], digits)
	return id, err == nil && n == len(id)
}

// handedBack tells whether the task is to go back to its queue, as this process can't, or
// shall not, finish it.
func (t *task) handedBack() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	cause := t.causeLocked()
	return t.in != nil && cause != nil && !canceledForGood(cause)
}

// canceledForGood tells a task that somebody wanted to end from one that shall run
// elsewhere: for a durable task, the end of a process is no reason not to be done.
func canceledForGood(cause error) bool {
	return errors.Is(cause, durable.ErrCanceled) || errors.Is(cause, ErrCanceled)
}

// handBack ends what this process has to do with the task. The attempt does not count.
func (a *attempt) handBack() {
	a.emitFailure(slog.LevelWarn, taskconv.EventRequeued, "task interrupted, handed back to its queue")
	if a.rt.queue.isClosed() {
		a.rt.leave(a.task, StateRequeued)
	}
	a.settle(requeued)
}

// setAside leaves a task that only this process can't read to others, and tells who is to
// be told of failures.
func (a *attempt) setAside() {
	due := a.enterEscalation(a.notifiers)
	a.rt.rememberFailure(a, StateRetrying)
	a.emitFailure(slog.LevelError, taskconv.EventRetrying, "task can't be read by this process, left in its queue",
		millis(taskconv.LogRetryDelayMS, a.verdict.delay))
	if due {
		a.escalate(a.notifiers)
	}
	a.settle(requeued)
}

// unreadable decides about a task that can't be attempted. Its handlers are not asked, as
// they know the task's errors. What a newer process can read waits for one; what nobody
// can read becomes a dead letter. Both are escalated.
func (a *attempt) unreadable() {
	a.eachForeign(func(e *entry) { e.OnEnding(a.span) })
	a.askNotes()
	switch {
	case errors.Is(a.in.broken, durable.ErrVersion):
		a.verdict, a.by = RetryAfter(refusedDelay(a.in.refused)), envelopeReader
	case len(a.notifiers) > 0:
		a.verdict, a.by = EscalateTo(a.notifiers...), a.notedBy
	}
	a.markVerdict()
}

// envelopeReader is who gives the verdict on what can't be read.
var envelopeReader = &entry{name: "durable.Decode", workGuard: new(guard)}

// refusedDelay doubles from a minute to an hour: a deployment takes minutes, and what is
// never deployed must not keep the queue busy.
func refusedDelay(before int) time.Duration {
	return min(time.Minute<<min(max(before, 0), 6), time.Hour)
}

// isBroken tells whether the task is one that can't be read. A task that killed its
// processes can be read, and its handlers are asked.
func (a *attempt) isBroken() bool {
	return a.in != nil && a.in.broken != nil && !errors.Is(a.in.broken, ErrAttemptsLost)
}

// report tells the engine what is to become of the job.
func (a *attempt) report(f fate) {
	o := &a.in.outcome
	switch f {
	case succeeded:
		o.Action = durable.Done
	case canceled, dropped:
		o.Action = durable.Cancel
	case failed:
		o.Action = durable.Fail
		if a.verdict.action == handled {
			o.Action = durable.Done
		}
	case requeued:
		if a.verdict.action != retryAfter {
			return // Requeue, with the state as it was
		}
		o.Action, o.Delay = durable.Retry, a.verdict.delay
	}
	if a.failed() {
		a.reportFailure(o)
	}
}

// reportFailure calls the methods of errors, which are user code.
func (a *attempt) reportFailure(o *durable.Outcome) {
	o.Verdict = a.verdict.action.String()
	err := within(context.WithoutCancel(a), 0, func(context.Context) error {
		o.Error, o.State = a.failure.Message(), a.memory()
		return nil
	})
	if err != nil {
		o.Error, o.State = "(its error can't be read)", nil
	}
}
