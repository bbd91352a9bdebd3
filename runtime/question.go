package postlude

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/internal/taskctx"
)

// question is what one handler is asked, in one object: its own copy of the failure, the
// span that knows it, its context, and the place for its answer. It is never used again:
// one that was given up on may keep it, and answer to nobody.
type question struct {
	of       *entry
	failure  Failure
	span     failedSpan
	ctx      handlerContext
	decision decision
}

func (a *attempt) question(e *entry) *question {
	q := &question{of: e, failure: *a.failure}
	q.ctx.of = a
	q.failure.ctx, q.failure.decision = &q.ctx, &q.decision
	q.span = failedSpan{a.span, &q.failure}
	return q
}

// ask calls the handler. The time of its context runs from now on, which may be after
// others.
func (q *question) ask() {
	q.ctx.deadline = time.Now().Add(q.ctx.of.rt.cfg.HandlerTimeout)
	defer q.ctx.release()
	q.of.OnEnding(&q.span)
}

// handlerContext is the context that a handler gets: with the attempt's values, not its
// end, and a deadline. As that of the attempt, it makes what cancels it when something
// first asks for it, which most handlers don't.
type handlerContext struct {
	of       *attempt
	deadline time.Time
	ends     atomic.Pointer[cancellation]
}

func (c *handlerContext) cancelable() *cancellation {
	if e := c.ends.Load(); e != nil {
		return e
	}
	ctx, cancel := context.WithDeadline(context.Background(), c.deadline)
	if !c.ends.CompareAndSwap(nil, &cancellation{ctx, func(error) { cancel() }}) {
		cancel()
	}
	return c.ends.Load()
}

// release ends the context: the handler has returned.
func (c *handlerContext) release() {
	if !c.ends.CompareAndSwap(nil, ended) {
		c.ends.Load().cancel(nil)
	}
}

// Deadline is Config.HandlerTimeout after the call.
func (c *handlerContext) Deadline() (deadline time.Time, ok bool) { return c.deadline, true }

// Done is closed then, or when the handler has returned.
func (c *handlerContext) Done() <-chan struct{} { return c.cancelable().ctx.Done() }

// Err tells which of them it was.
func (c *handlerContext) Err() error { return c.cancelable().ctx.Err() }

// Value is the attempt's, but for what package context asks, for Cause or a child.
func (c *handlerContext) Value(key any) any {
	if key == taskctx.Key || key == spanKey {
		return c.of.Value(key)
	}
	if e := c.ends.Load(); e != nil {
		if v := e.ctx.Value(key); v != nil {
			return v
		}
	}
	return c.of.values.Value(key)
}

// String is for who prints a context: package fmt would else read all fields.
func (c *handlerContext) String() string { return c.of.String() + ".Handler" }
