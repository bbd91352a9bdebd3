package postlude

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/internal/panics"
)

// This file is about the calls of handlers that are trusted (see guard): they are made on the
// worker's own goroutine, watched by a timer. A goroutine, a timer and channels for each
// call would cost more than all that most handlers do.
//
// If a handler blocks, the timer's goroutine takes the worker over, and the old one has lost
// it: it belongs to the handler until that returns, touches nothing of the attempt any
// more, and ends. So does a handler's runtime.Goexit end it. In both cases the worker's new
// goroutine finds the attempt in the stage asking, and asks the next handler.

// watch is a worker's timer, for one call after the other.
type watch struct {
	rt    *Runtime
	w     *worker
	timer *time.Timer
	state atomic.Int32
	entry *entry // that is being called
}

// The states of a watch.
const (
	unwatched int32 = iota
	watching
	overtaken // for ever: the worker gets a new one
)

// goroutine is one of those that a worker had. Only itself reads and writes it.
type goroutine struct{ lost bool }

// enter notes that the calling goroutine is w's from now on.
func (w *worker) enter() *goroutine {
	w.here = new(goroutine)
	return w.here
}

// ask has a trusted handler answer, on this goroutine. It returns nil, or a *PanicError. It
// does not return if the handler calls runtime.Goexit, or exceeds limit.
func (w *worker) ask(q *question, limit time.Duration) error {
	a, g := w.now, q.of.guard
	a.stage, a.fault = asking, errGoexit // stays if the handler calls runtime.Goexit
	p := w.watched(q, limit)
	a.stage, a.fault = judging, nil
	g.returned()
	if p != nil {
		return p
	}
	return nil
}

func (w *worker) watched(q *question, limit time.Duration) *PanicError {
	if w.watch == nil {
		w.watch = &watch{rt: q.ctx.of.rt, w: w}
	}
	c := w.watch
	defer c.end(w.here, q.of.guard)
	c.begin(q.of, limit)
	return panics.Try(q.ask)
}

func (c *watch) begin(e *entry, limit time.Duration) {
	c.entry = e
	c.state.Store(watching)
	if c.timer == nil {
		c.timer = time.AfterFunc(limit, c.overtake)
		return
	}
	c.timer.Reset(limit)
}

// end ends the watch, in time or too late: then it ends the goroutine, too.
func (c *watch) end(here *goroutine, g *guard) {
	if !c.state.CompareAndSwap(watching, unwatched) {
		g.blocked.Add(-1)
		here.lost = true
		runtime.Goexit()
	}
	if !c.timer.Stop() { // its goroutine is on its way, and must not take the next call for this
		c.w.watch = nil
	}
}

// overtake makes the calling goroutine, the timer's, the worker's.
func (c *watch) overtake() {
	g := c.entry.guard
	g.blocked.Add(1)
	if !c.state.CompareAndSwap(watching, overtaken) {
		g.blocked.Add(-1) // it returned at the last moment
		return
	}
	g.strike()
	c.rt.noteBlocked(g, c.entry.name)
	c.w.watch = nil
	c.w.now.fault = errBlocked
	c.rt.revive(c.w)
}
