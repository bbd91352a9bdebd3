package postlude

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// scope is what a context knows of the runtime it belongs to.
type scope struct {
	rt  *Runtime
	req *request // nil outside HTTP
}

type scopeKeyType struct{}

var scopeKey any = scopeKeyType{} // boxed once

func scopeOf(ctx context.Context) *scope {
	if ctx == nil {
		return nil
	}
	sc, _ := ctx.Value(scopeKey).(*scope)
	return sc
}

// Context returns a context from which tasks can be scheduled outside HTTP: in a
// command, a message consumer, a gRPC handler. AfterRoute and AfterResponse need a
// request, and fail with ErrNoRequest there.
func (rt *Runtime) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, scopeKey, &rt.scope)
}

// Middleware lets the handlers behind it schedule tasks. Put it inside of otelhttp, so
// that it sees the server span, and outside of the router:
//
//	otelhttp.NewHandler(rt.Middleware(mux), "shop")
//
// It does not wrap the ResponseWriter. When the handler returns, or panics, it starts
// the request's after-route tasks and waits for their start, not for their end. If all
// workers are busy, it waits no longer than Config.RouteWait.
func (rt *Runtime) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sc := scopeOf(r.Context()); sc != nil && sc.rt == rt && sc.req.open() {
			next.ServeHTTP(w, r) // an outer Middleware has it in hand
			return
		}
		req := &request{conn: connOf(r), client: r.Context()}
		req.scope = scope{rt: rt, req: req}
		req.turn0 = req.conn.turn()
		req.late = r.Context().Err() != nil // after the turn: both end with the response, the context first
		inner := r.WithContext(context.WithValue(r.Context(), scopeKey, &req.scope))
		panicking := true
		// Deferred, as the tasks of a handler that panics run, too. The panic goes on.
		defer func() {
			defer req.finish() // also if the writer's Flush panics
			copyBack(r, inner)
			req.routeReturned()
			if !panicking {
				req.flush(w, r)
			}
		}()
		next.ServeHTTP(w, inner)
		panicking = false
	})
}

// copyBack gives the outer request what the router and the form parser wrote on the
// inner: otelhttp names its span by the pattern, net/http removes the form's files.
func copyBack(outer, inner *http.Request) {
	outer.Pattern = inner.Pattern
	if inner.MultipartForm != nil {
		outer.MultipartForm = inner.MultipartForm
	}
}

// request releases the gated tasks of one HTTP request, in order: the after-route
// tasks once the handler has returned, then the after-response tasks once the response
// was sent. Each waits until the one before it has started.
//
// Its lock is taken before the queue's, never while that is held.
type request struct {
	scope
	conn   *conn           // nil: not attached, or not HTTP/1
	turn0  uint64          // the connection's turn when the request came
	client context.Context // net/http cancels it when the handler's return has reached it
	late   bool            // it had ended when the request came: http.TimeoutHandler has answered

	mu       sync.Mutex
	route    []*task // not released yet
	response []*task
	starting *task         // released, and not started yet: the others wait for it
	routed   chan struct{} // closed when no after-route task is left to start; nil: nobody waits for that
	gated    bool          // there was a task that waits for the request
	returned bool          // the route handler
	finished bool          // the middleware
	armed    bool          // somebody will call responseSent
	sent     bool          // the response
}

// open tells whether the route handler has not returned yet.
func (q *request) open() bool {
	if q == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.returned
}

// admit takes a slot for t and lines it up.
func (q *request) admit(t *task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.when == afterRoute && q.returned {
		return ErrHandlerReturned
	}
	if err := q.rt.queue.admit(t); err != nil {
		return err
	}
	q.gated = true
	if t.when == afterRoute {
		q.route = append(q.route, t)
	} else {
		q.response = append(q.response, t)
	}
	return nil
}

// advance releases what may start now. It is called whenever that may have changed.
func (q *request) advance() {
	for t := q.take(); t != nil; t = q.take() {
		if q.rt.queue.release(t) {
			return // begun goes on
		}
		q.mu.Lock() // it waits for its Delay, or is over: nobody waits for it
		if q.starting == t {
			q.starting = nil
		}
		q.mu.Unlock()
	}
	q.arm() // an AfterResponse from a task may be the first to need it
}

// take returns the next task to release, if its time has come.
func (q *request) take() *task {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.starting != nil || !q.returned {
		return nil
	}
	list := &q.route
	if len(q.route) == 0 {
		if q.routed != nil {
			close(q.routed)
			q.routed = nil
		}
		if !q.sent {
			return nil
		}
		list = &q.response
	}
	if len(*list) == 0 {
		return nil
	}
	q.starting = (*list)[0]
	(*list)[0] = nil
	*list = (*list)[1:]
	return q.starting
}

// begun is called when t has started, or will never.
func (q *request) begun(t *task) {
	q.mu.Lock()
	mine := q.starting == t
	if mine {
		q.starting = nil
	}
	q.mu.Unlock()
	if mine {
		q.advance()
	}
}

// routeReturned starts the after-route tasks, and waits for their start. It does not
// wait for those with a Delay, nor for those that were canceled.
func (q *request) routeReturned() {
	var routed chan struct{}
	q.mu.Lock()
	q.returned = true
	if q.rt.cfg.RouteWait > 0 && slices.ContainsFunc(q.route, func(t *task) bool { return t.set.delay == 0 }) {
		routed = make(chan struct{})
		q.routed = routed
	}
	q.mu.Unlock()
	q.advance()
	if routed == nil {
		return
	}
	timer := time.NewTimer(q.rt.cfg.RouteWait)
	defer timer.Stop()
	for range routeWaits {
		select {
		case <-routed:
			return
		case <-timer.C:
			if q.lacksWorker() {
				return
			}
			timer.Reset(q.rt.cfg.RouteWait) // a worker has it, and is about to start it
		}
	}
}

// routeWaits is how many times RouteWait may pass for a task that a worker has: a busy
// machine may be slow to start it, and a span processor may hold it up.
const routeWaits = 10

// lacksWorker tells whether the task that is to start next waits for a worker.
func (q *request) lacksWorker() bool {
	q.mu.Lock()
	t := q.starting
	q.mu.Unlock()
	return t != nil && q.rt.queue.waits(t)
}

// finish is the end of the middleware. No after-response task starts before.
func (q *request) finish() {
	q.mu.Lock()
	q.finished = true
	q.mu.Unlock()
	q.arm()
}

// arm arranges for responseSent once the middleware has finished, if a task waited for
// the request; those that it has released may still hold on to what responseSent frees.
func (q *request) arm() {
	q.mu.Lock()
	arm := q.finished && q.gated && !q.armed
	q.armed = q.armed || arm
	q.mu.Unlock()
	if arm {
		q.whenSent()
	}
}

// responseSent opens the gate of the after-response tasks.
func (q *request) responseSent() {
	q.mu.Lock()
	q.sent = true
	q.client, q.conn = nil, nil // a task may keep q for long; they were needed until now
	q.mu.Unlock()
	q.advance()
}
