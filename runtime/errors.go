package postlude

import (
	"context"
	"errors"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/internal/panics"
)

// Errors of scheduling. They are returned wrapped, with the name of the task: test
// for them with errors.Is.
var (
	// ErrNoRuntime: the context belongs to no runtime.
	ErrNoRuntime = errors.New("postlude: no runtime in this context: wrap the handler with Runtime.Middleware, or make the context with Runtime.Context")
	// ErrNoRequest: AfterRoute or AfterResponse outside an HTTP request.
	ErrNoRequest = errors.New("postlude: no HTTP request in this context, so no route handler or response to wait for: use Go, or schedule from a handler behind Runtime.Middleware")
	// ErrHandlerReturned: AfterRoute when the route handler had returned already.
	ErrHandlerReturned = errors.New("postlude: the route handler has returned: use Go or AfterResponse")
	// ErrQueueFull: Config.Queue tasks are admitted and not finished. A handler that
	// sees it can still answer 503.
	ErrQueueFull = errors.New("postlude: the queue is full: answer 503 Service Unavailable, or raise Config.Queue")
	// ErrShuttingDown: Shutdown was called. It is also what a task's context is
	// canceled with (context.Cause) when shutdown cancels it, and what Run.Err of a task
	// that shutdown dropped wraps.
	ErrShuttingDown = errors.New("postlude: the runtime is shutting down")
	// ErrNotDurable: a durable task can't be what it was asked to be: a handler for a single
	// call, a closure as its fallback, arguments that are no JSON; or an option of the queue
	// was given to a task that is not durable.
	ErrNotDurable = errors.New("postlude: not durable")
	// ErrNoEngine: a durable task, and no Config.Engine. Dead letters need one, too.
	ErrNoEngine = errors.New("postlude: no engine for durable tasks: set Config.Engine, for example to what riverdurable.OpenSQLite returns")
	// ErrAttemptsLost is the error of a durable task whose process died in each of its
	// last attempts; its function is not called any more unless a handler retries it.
	ErrAttemptsLost = errors.New("postlude: the process died in each of the last attempts")
	// ErrInvalidTask: the definition, the Job or an option is unusable; the message
	// tells which and why.
	ErrInvalidTask = errors.New("postlude: invalid task")
)

// ErrCanceled is what a task's context is canceled with (context.Cause) by
// Run.Cancel. It is a context.Canceled.
var ErrCanceled error = cause{"postlude: the task was canceled by Run.Cancel", context.Canceled}

// errTimeout is the cause of an attempt's context after Timeout.
var errTimeout error = cause{"postlude: the attempt exceeded its Timeout", context.DeadlineExceeded}

// errWorkTimeout is the cause of a work's context after Config.WorkTimeout.
var errWorkTimeout error = cause{"postlude: the work exceeded Config.WorkTimeout", context.DeadlineExceeded}

// errNoTask is Err of a Run whose scheduling failed.
var errNoTask = errors.New("postlude: this Run belongs to no task: scheduling it failed")

// cause is an error with a text of its own that is also another one.
type cause struct {
	text string
	is   error
}

func (c cause) Error() string { return c.text }
func (c cause) Unwrap() error { return c.is }

// PanicError is the error of a task that panicked or called runtime.Goexit. Unwrap
// returns the panic's value if that is an error; ErrGoexit after a Goexit.
type PanicError = panics.Error

// ErrGoexit is what a PanicError wraps when the task called runtime.Goexit, for
// instance through testing.T.FailNow.
var ErrGoexit = panics.ErrGoexit

// Kind tells how an attempt failed.
type Kind string

// The kinds of failure; as values of task.outcome they are the same words.
const (
	KindError    Kind = "error"    // the function returned an error
	KindPanic    Kind = "panic"    // it panicked, or called runtime.Goexit
	KindTimeout  Kind = "timeout"  // it returned an error after its Timeout, or context.DeadlineExceeded
	KindCanceled Kind = "canceled" // it returned an error after Cancel or shutdown, or context.Canceled
)

// classify tells how err came about. ended is the cause of the attempt's context,
// nil if that is still alive: a driver that is interrupted by its context rarely
// wraps the context's error, so the context is asked too. The error's methods are user
// code: one that panics is taken as it stands.
func classify(err, ended error) (kind Kind, errType string) {
	if p := panics.Try(func() { kind, errType = classifyError(err, ended) }); p != nil {
		return KindError, errs.Type(err)
	}
	return kind, errType
}

func classifyError(err, ended error) (Kind, string) {
	p, panicked := errors.AsType[*PanicError](err)
	switch {
	case panicked:
		if _, ok := p.Value.(error); ok && p.Value != error(ErrGoexit) {
			return KindPanic, errs.Type(p.Value.(error))
		}
		return KindPanic, string(KindPanic)
	case ended != nil && errors.Is(ended, context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return KindTimeout, string(KindTimeout)
	case ended != nil, errors.Is(err, context.Canceled):
		return KindCanceled, string(KindCanceled)
	}
	return KindError, errs.Type(err)
}
