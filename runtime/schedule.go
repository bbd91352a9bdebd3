package postlude

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/taskconv"
)

// timing is when a task may start.
type timing uint8

const (
	immediate timing = iota
	afterRoute
	afterResponse
	timings
)

func (t timing) String() string {
	return [timings]string{taskconv.TimingImmediate, taskconv.TimingAfterRoute, taskconv.TimingAfterResponse}[t]
}

// Go schedules j to start at once, as soon as a worker is free. ctx must come from a
// handler behind Runtime.Middleware, from a task, or from Runtime.Context. The task
// keeps ctx's values, span and baggage, but not its cancellation: it lives on when the
// client has gone.
//
// It fails with ErrQueueFull, ErrShuttingDown, ErrNoRuntime or ErrInvalidTask; then the
// task will not run. It does not block, unless the task is Durable: then it fails with the
// engine's error, too, or ErrNotDurable or ErrNoEngine.
func Go(ctx context.Context, j Job, opts ...Option) (Run, error) {
	return schedule(ctx, immediate, j, opts)
}

// AfterRoute schedules j to start when the route handler has returned, before the
// middleware does. After-route tasks of a request start in the order in which they were
// scheduled; the middleware waits for their start (Config.RouteWait at most), not for
// their end. If the handler panics, they start all the same.
//
// The task takes its place in the queue now, so that the handler can still answer 503.
// Beyond the errors of Go it fails with ErrNoRequest or ErrHandlerReturned.
func AfterRoute(ctx context.Context, j Job, opts ...Option) (Run, error) {
	return schedule(ctx, afterRoute, j, opts)
}

// AfterResponse schedules j to start when the response has been sent and the
// after-route tasks have started. After-response tasks of a request start in the order
// in which they were scheduled; from within a task of the request, when the response is
// long sent, at once. See Runtime.Attach for what "sent" means. If the handler panics
// or the client has gone, they start all the same.
//
// The task takes its place in the queue now, so that the handler can still answer 503.
// Beyond the errors of Go it fails with ErrNoRequest.
func AfterResponse(ctx context.Context, j Job, opts ...Option) (Run, error) {
	return schedule(ctx, afterResponse, j, opts)
}

func schedule(ctx context.Context, when timing, j Job, opts []Option) (Run, error) {
	sc := scopeOf(ctx)
	switch {
	case sc == nil:
		return Run{}, fmt.Errorf("%w (task %q)", ErrNoRuntime, j.label())
	case when != immediate && sc.req == nil:
		return Run{}, fmt.Errorf("%w (task %q)", ErrNoRequest, j.label())
	}
	t, err := sc.rt.newTask(ctx, sc, when, j, opts)
	if err != nil {
		return Run{}, err
	}
	if t.out != nil && (when == immediate || durable.TxOf(ctx) != nil) {
		return sc.rt.enqueueNow(ctx, t)
	}
	unseen := when == immediate && !t.logs(ctx, slog.LevelDebug)
	switch {
	case unseen:
		err = sc.rt.queue.admitReady(t)
	case when == immediate:
		err = sc.rt.queue.admit(t)
	default:
		err = sc.req.admit(t)
	}
	if err == ErrShuttingDown && t.out != nil { // nobody has to run it here; a task that was admitted is others'
		return sc.rt.enqueueNow(ctx, t)
	}
	if err != nil {
		sc.rt.rejected(ctx, t, err)
		return Run{}, fmt.Errorf("%w (task %q)", err, t.name)
	}
	if !unseen {
		sc.launch(ctx, t, when != immediate)
	}
	return Run{t}, nil
}

// launch records that t was admitted, and lets it go. Deferred, as what is recorded may
// end the goroutine (an argument's LogValue, say), and t must not be left behind.
func (sc *scope) launch(ctx context.Context, t *task, gated bool) {
	defer func() {
		if gated {
			sc.req.advance()
		} else {
			sc.rt.queue.release(t)
		}
	}()
	sc.rt.admitted(ctx, t)
}

func (j Job) label() string {
	if j.def != nil {
		return j.def.name
	}
	return j.name
}

// task is one scheduled run, from admission to its fate. It is never pooled: user code
// may keep its Run and its context for as long as it likes.
//
// A million of them may wait, so it is small: what only some tasks have is behind a
// pointer, and a field serves for what is never there at the same time.
type task struct {
	*plan
	set  *settings
	args any             // the definition's, or the closure itself
	ctx  context.Context // for its values: its end is not the task's
	req  *request        // whose timing it waits for; nil: immediate
	out  *outgoing       // a durable task on its way into the queue; else nil
	in   *incoming       // a durable task that the queue delivered; else nil

	id      [16]byte
	readyAt int64
	at      int64                // waiting: not before this time; running: since when
	shown   atomic.Pointer[text] // see text
	past    *past                // nil before the first failure
	attempt atomic.Int32         // the last that began; Shutdown reads it, too

	// The queue's, guarded by its lock.
	heapIndex     int32
	before, after *task
	state         state
	again         bool // ready for a retry, not for the first attempt
	canceled      bool

	begun bool // guarded, as what follows, by mu
	over  bool
	mu    sync.Mutex
	done  chan struct{} // made when first asked for
	err   error
	stops canceler // the attempt that runs, or its fallback
	rare  *rare    // nil for most
}

// rare is what few tasks have.
type rare struct {
	started chan struct{}
	cause   error // why it was canceled
}

// canceler is what Run.Cancel and shutdown cancel.
type canceler interface{ cancelWith(cause error) }

// newTask plans a run of j; nothing is admitted yet.
func (rt *Runtime) newTask(ctx context.Context, sc *scope, when timing, j Job, opts []Option) (*task, error) {
	ps, err := rt.plansOf(j)
	if err != nil {
		return nil, err
	}
	set := ps.base
	if len(opts) > 0 {
		set = set.withCall(opts)
		if err := set.err(); err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrInvalidTask, j.label(), err)
		}
	}
	if set.durable || set.queueOptions != rt.defaults.queueOptions {
		if err := ps.checkDurable(set); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	t := &task{plan: ps.plan(when, set), set: set, args: j.args, id: newID(now), readyAt: rt.queue.when(now)}
	if j.def == nil {
		t.args = j.fn
	}
	if when != immediate {
		t.req = sc.req
	}
	if set.durable {
		return t, rt.prepare(ctx, sc, t, ps)
	}
	if rt.cfg.Engine != nil && durable.TxOf(ctx) != nil {
		ctx = durable.WithTx(ctx, nil) // it ends with the handler; the task lives on
	}
	if t.ctx = ctx; set.lean || set.delay > 0 {
		t.ctx = rt.lean(ctx, sc, when)
	}
	if set.delay > 0 {
		t.at = add(t.readyAt, set.delay)
	}
	return t, nil
}

// newID returns a UUID of version 7 (RFC 9562): unique across processes, so that it
// serves as an idempotency key, and sortable by time, so that it suits an index.
func newID(now time.Time) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|0x7000|rand.Uint64()&0xfff)
	binary.BigEndian.PutUint64(id[8:], 1<<63|rand.Uint64()>>2)
	return id
}

func (t *task) ID() string {
	var space [36]byte
	return string(tasklog.AppendID(space[:0], t.id))
}
