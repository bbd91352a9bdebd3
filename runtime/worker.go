package postlude

import (
	"context"
	"runtime"
	"runtime/pprof"
	"time"
)

// idleTime is how long a worker without work is kept: long enough to bridge the gaps
// of ordinary traffic, short enough that a burst's stacks are returned.
const idleTime = 10 * time.Second

// stackKept is how much of its stack a worker holds on to. A goroutine that uses less than
// a quarter of its stack when the garbage is collected has it halved, and copied, and a
// worker that waits uses next to nothing: with each collection it would have to grow anew. So
// 8 KiB remain, which is what spans and records need.
const stackKept = 1536

// worker is a goroutine that runs one task after another. It is long-lived because a
// new goroutine pays for the growth of its stack again.
type worker struct {
	next     chan *task // has room for one
	task     *task      // the one it runs
	now      *attempt   // of that task
	freed    int64      // when it was done with the last one; 0: now
	here     *goroutine // that it is at the moment
	watch    *watch     // of its handlers; nil until one is asked
	summoned bool       // guarded by the queue's lock
}

// work is the life of a worker. It ends when the queue has no more for it. The queue
// owns the goroutine: Shutdown ends it.
func (rt *Runtime) work(w *worker) {
	pprof.SetGoroutineLabels(context.Background()) // not those of the handler that needed it first
	var keep [stackKept]byte
	defer runtime.KeepAlive(&keep)
	here, finished := w.enter(), false
	defer func() {
		if !finished && !here.lost { // user code called runtime.Goexit: nothing can keep this goroutine
			go rt.revive(w)
		}
	}()
	for w.task != nil || rt.take(w) {
		rt.run(w)
		w.task = nil
	}
	finished = true
}

// take gives w its next task. It reports false if there will be none.
func (rt *Runtime) take(w *worker) bool {
	w.task = rt.queue.next(w)
	return w.task != nil
}

// revive continues the work of w on a new goroutine: first the attempt that the old
// one died in, or is held up in, from where it stood.
func (rt *Runtime) revive(w *worker) {
	here, finished := w.enter(), false
	defer func() {
		if !finished && !here.lost {
			go rt.revive(w)
		}
	}()
	if w.now != nil {
		rt.conclude(w)
	}
	w.task, w.freed = nil, 0
	finished = true
	rt.work(w)
}

// armReaperLocked sets the timer that ends idle workers. It is armed only while there
// are some: an idle process has no ticks.
func (q *queue) armReaperLocked() {
	switch {
	case q.reaper == nil:
		q.reaper = time.AfterFunc(idleTime, q.reap)
	case len(q.idle) == 1: // the first that parks, or the last that is left
		q.reaper.Reset(idleTime)
	}
}

// reap ends the workers that have been idle for too long.
func (q *queue) reap() {
	q.mu.Lock()
	defer q.mu.Unlock()
	old := 0
	for old < len(q.idle) && q.now()-q.idle[old].freed >= int64(idleTime) {
		old++
	}
	q.endLocked(old)
	if len(q.idle) > 0 {
		q.reaper.Reset(idleTime - time.Duration(q.now()-q.idle[0].freed))
	}
}

// endLocked ends the first n idle workers.
func (q *queue) endLocked(n int) {
	for _, w := range q.idle[:n] {
		q.workers--
		w.next <- nil
	}
	q.idle = append(q.idle[:0:0], q.idle[n:]...)
}

// stop ends all workers, those at work as soon as the backlog is empty.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.endLocked(len(q.idle))
	q.timers.stop()
	if q.reaper != nil {
		q.reaper.Stop()
	}
}
