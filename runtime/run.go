package postlude

import (
	"context"

	"github.com/postlude/postlude/runtime/durable"
)

// Run is the handle of a scheduled task. It is a small value; copies are of the same
// task. It may be kept or thrown away: the task does not depend on it. The Run of a durable
// task is that of its enqueueing, see Durable: another process may run the task.
type Run struct{ t *task }

// closed is a channel for questions about a Run of no task, and those that are answered
// before they are asked.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// ID returns the task's id, a UUID of version 7; "" for the zero Run.
func (r Run) ID() string {
	if r.t == nil {
		return ""
	}
	return r.t.ID()
}

// Started returns a channel that is closed when the first attempt starts, or when the
// task ends without one.
func (r Run) Started() <-chan struct{} {
	if r.t == nil {
		return closed
	}
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	if r.t.begun {
		return closed
	}
	return made(&r.t.rarely().started)
}

// Done returns a channel that is closed when the task's fate is known, after its last
// span ended and its last record was written.
func (r Run) Done() <-chan struct{} {
	if r.t == nil {
		return closed
	}
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	if r.t.over {
		return closed
	}
	return made(&r.t.done)
}

// Err returns nil until Done is closed, and nil after a success, be it a fallback's.
// Otherwise it returns the error of the last attempt, or why there was none: an error
// that is ErrShuttingDown if shutdown dropped the task, ErrCanceled if Cancel did. The
// Err of the zero Run is never nil.
func (r Run) Err() error {
	if r.t == nil {
		return errNoTask
	}
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	return r.t.err
}

// Cancel cancels the context of the running attempt, with ErrCanceled as its cause. A
// task that has not started ends without its function being called, when a worker is
// free. A canceled task is not retried. Cancel does not wait, and shield does not
// protect from it. After the end it does nothing.
func (r Run) Cancel() {
	if r.t != nil {
		r.t.stop(ErrCanceled)
	}
}

// RetryNow has a task that waits for its next attempt make it at once, as soon as a worker
// is free. It reports false, and does nothing, if the task does not wait for one.
func (r Run) RetryNow() bool {
	return r.t != nil && r.t.rt.queue.hasten(r.t)
}

// Find returns the Run of a task that is admitted and not over, by its id: for an
// operator who wants to cancel it, say. It looks at all of them, which takes a
// millisecond for some ten thousand, and nothing is scheduled meanwhile. It is false if there is none: the task is
// over, or it is another process's.
func (rt *Runtime) Find(id string) (Run, bool) {
	key, ok := parseID(id)
	if !ok {
		return Run{}, false
	}
	t := rt.queue.find(key)
	return Run{t}, t != nil
}

// stop cancels the task for a cause.
func (t *task) stop(cause error) {
	t.mu.Lock()
	if r := t.rarely(); r.cause == nil {
		r.cause = cause
	}
	stops := t.stops
	t.mu.Unlock()
	if stops != nil {
		stops.cancelWith(cause)
	}
	t.rt.queue.expedite(t)
}

// arm tells the task what to cancel, and returns why that is canceled already, if it is.
func (t *task) arm(c canceler) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stops = c
	return t.causeLocked()
}

func (t *task) causeLocked() error {
	if t.rare == nil {
		return nil
	}
	return t.rare.cause
}

func (t *task) rarely() *rare {
	if t.rare == nil {
		t.rare = new(rare)
	}
	return t.rare
}

// made makes the channel when it is first asked for: most tasks are never asked.
func made(c *chan struct{}) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
	}
	return *c
}

// cancelFunc is a function as a canceler.
type cancelFunc context.CancelCauseFunc

func (c cancelFunc) cancelWith(cause error) { c(cause) }

// begin marks the task as started, and lets those of its request go on that wait for
// that. It is called at the end of a task that never starts, too. cause is why the task was
// canceled by then, if it was.
func (t *task) begin() (cause error) {
	t.mu.Lock()
	cause = t.causeLocked()
	first := !t.begun
	t.begun = true
	if first && t.rare != nil && t.rare.started != nil {
		close(t.rare.started)
	}
	t.mu.Unlock()
	if first && t.req != nil {
		t.req.begun(t)
	}
	return cause
}

// publish makes the end of the task known. The queue calls it under its lock.
func (t *task) publish(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over, t.err = true, err
	// A Run may be kept for long, and shall not keep the request and the arguments.
	t.stops, t.ctx, t.req, t.args, t.out, t.past = nil, nil, nil, nil, nil, nil
	if t.in != nil {
		t.in.args, t.in.carrier = nil, durable.Carrier{}
	}
	if t.done != nil {
		close(t.done)
	}
}
