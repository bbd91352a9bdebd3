package durabletest

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// attempt is what a Worker does with a job.
type attempt func(context.Context, durable.Delivery) durable.Outcome

// done is the attempt that succeeds.
func done(context.Context, durable.Delivery) durable.Outcome {
	return durable.Outcome{Action: durable.Done}
}

// always is an attempt with a given outcome.
func always(o durable.Outcome) attempt {
	return func(context.Context, durable.Delivery) durable.Outcome { return o }
}

// inTurn is an attempt with the given outcomes, one after the other, and Done from then on.
func inTurn(outcomes ...durable.Outcome) attempt {
	var calls atomic.Int64
	return func(ctx context.Context, d durable.Delivery) durable.Outcome {
		if n := int(calls.Add(1)); n <= len(outcomes) {
			return outcomes[n-1]
		}
		return done(ctx, d)
	}
}

// blocked is an attempt that succeeds when passed is closed.
func blocked(passed <-chan struct{}) attempt {
	return func(ctx context.Context, d durable.Delivery) durable.Outcome {
		<-passed
		return done(ctx, d)
	}
}

// crew is a session, and what was delivered to it.
type crew struct {
	durable.Session
	l   *lab
	got chan durable.Delivery // filled as the attempts begin
	end atomic.Bool           // Stop has returned: nothing may be delivered
}

// work begins a session of the test's task and queue, unless change says otherwise.
func (l *lab) work(limit int, do attempt, change ...func(*durable.Worker)) *crew {
	l.Helper()
	c := &crew{l: l, got: make(chan durable.Delivery, 2000)}
	w := durable.Worker{
		Tasks: []string{l.task}, Queues: []string{l.queue}, Limit: limit, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&w)
	}
	w.Do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
		c.check(ctx, d, w)
		select {
		case c.got <- d:
		default: // an endless loop is told about by stop
		}
		return do(ctx, d)
	}
	var err error
	if c.Session, err = l.e.Work(l.bound(), w); err != nil {
		l.Fatalf("Work: %v", err)
	}
	l.crews = append(l.crews, c)
	return c
}

// check is what holds for every delivery.
func (c *crew) check(ctx context.Context, d durable.Delivery, w durable.Worker) {
	queues := w.Queues
	if len(queues) == 0 {
		queues = []string{durable.DefaultQueue}
	}
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			c.l.Errorf("job %s (%.100s): "+format, append([]any{d.ID, d.Args}, args...)...)
		}
	}
	refuse(c.end.Load(), "it was delivered after Stop had returned")
	refuse(d.Err != nil, "Delivery.Err is %v", d.Err)
	refuse(d.ID == "", "the Delivery has no ID")
	refuse(d.Attempt < 1, "the Attempt is %d", d.Attempt)
	refuse(!slices.Contains(w.Tasks, d.Task), "the worker doesn't know the task %q", d.Task)
	refuse(!slices.Contains(queues, d.Queue), "the worker has the queues %q, and this is of %q", queues, d.Queue)
	refuse(d.Priority < durable.PriorityHighest || d.Priority > durable.PriorityLowest, "the Priority is %d", d.Priority)
	refuse(d.Ready.IsZero() || d.Ready.After(time.Now().Add(skew)), "it is Ready at %v", d.Ready)
	refuse(d.State != nil && !isObject(d.State), "the State is %q", d.State)
	refuse(ctx.Err() != nil, "the context of Do is canceled from the start: %v", durable.Cause(ctx))
}

// next returns what is delivered next, or was and not asked for yet.
func (c *crew) next() durable.Delivery {
	c.l.Helper()
	return receive(c.l, "the next delivery", c.got)
}

// expect takes the next delivery, and makes sure that it is this attempt of this job.
func (c *crew) expect(id string, attempt int) durable.Delivery {
	c.l.Helper()
	d := c.next()
	if d.ID != id || d.Attempt != attempt {
		c.l.Fatalf("attempt %d of job %s was delivered (%.100s), want attempt %d of job %s", d.Attempt, d.ID, d.Args, attempt, id)
	}
	return d
}

// take returns the next n deliveries.
func (c *crew) take(n int) []durable.Delivery {
	c.l.Helper()
	all := make([]durable.Delivery, n)
	for i := range all {
		all[i] = c.next()
	}
	return all
}

// stop ends the session, and makes sure that all deliveries were expected. When it
// returns, the outcomes are stored.
func (c *crew) stop() {
	c.l.Helper()
	if rest := c.halt(); !c.l.Failed() { // else they may be what the test did not come to
		c.l.none(rest, "it was not expected")
	}
}

// none makes sure that nothing was delivered.
func (l *lab) none(got []durable.Delivery, why string) {
	l.Helper()
	if len(got) > 0 {
		d := got[0]
		l.Errorf("attempt %d of job %s (%.100s) of task %q in queue %q was delivered: %s; with it, %d deliveries are wrong",
			d.Attempt, d.ID, d.Args, d.Task, d.Queue, why, len(got))
	}
}

// halt ends the session, and returns the deliveries that nobody has asked for.
func (c *crew) halt() (rest []durable.Delivery) {
	c.l.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), c.l.patience)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		c.l.Errorf("Stop: %v", err)
		return nil
	}
	c.end.Store(true)
	for len(c.got) > 0 {
		rest = append(rest, <-c.got)
	}
	return rest
}

// barrier enqueues a job that comes after all others, and returns what is delivered
// before it. The crew must have a Limit of 1, and know the test's task and queue.
func (c *crew) barrier() (before []durable.Delivery) {
	c.l.Helper()
	id := c.l.enqueue("the barrier", durable.Priority(durable.PriorityLowest))
	for range cap(c.got) {
		d := c.next()
		if d.ID == id {
			return before
		}
		before = append(before, d)
	}
	c.l.Fatalf("a job of the lowest priority does not get its turn for %d deliveries", cap(c.got))
	return nil
}

// nothing ends all sessions of the test, and makes sure that no job of its task and queue
// is left, by a session of its own.
func (l *lab) nothing(why string) {
	l.Helper()
	for _, c := range l.crews {
		c.stop()
	}
	c := l.work(1, done)
	l.none(c.barrier(), why)
	c.stop()
}

// number reads arguments that are a number.
func (l *lab) number(d durable.Delivery) (n int) {
	l.Helper()
	if err := json.Unmarshal(d.Args, &n); err != nil {
		l.Errorf("the arguments of job %s: %v", d.ID, err)
	}
	return n
}
