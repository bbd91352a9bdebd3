package durabletest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// How jobs move from one state to the next. All of it happens under the engine's lock,
// and who moves one calls settle in the end.

// wait has a job wait until it is ready, and then to be delivered.
func (e *Engine) wait(j *job, why Status, ready time.Time) {
	delete(e.running, j)
	j.run, j.ready = nil, ready
	if ready.After(time.Now()) {
		j.status = why
		e.later.put(j)
		return
	}
	j.status = StatusAvailable
	l := e.lanes[j.lane()]
	if l == nil {
		l = newHeap(byPriority)
		e.lanes[j.lane()] = l
	}
	l.put(j)
}

// advance makes available what has become due.
func (e *Engine) advance(now time.Time) {
	for j := e.later.first(); j != nil && !j.ready.After(now); j = e.later.first() {
		j.leave()
		e.wait(j, StatusAvailable, j.ready)
	}
}

// settle does what a change makes possible: it delivers jobs, sets the timer for those
// that are not due, and tells who waits for a change.
func (e *Engine) settle() {
	e.advance(time.Now())
	for delivered := true; delivered; {
		delivered = false
		for _, s := range e.sessions { // one job for each, so that they share what is there
			if j := s.next(); j != nil {
				s.begin(j)
				delivered = true
			}
		}
	}
	e.setTimer()
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}

// setTimer sets the timer if there is something to wait for, and somebody to take it.
func (e *Engine) setTimer() {
	j := e.later.first()
	switch {
	case j == nil || len(e.sessions) == 0:
		if e.timer != nil {
			e.timer.Stop()
		}
	case e.timer == nil:
		e.timer = time.AfterFunc(time.Until(j.ready), e.tick)
	default:
		e.timer.Reset(time.Until(j.ready))
	}
}

func (e *Engine) tick() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle()
}

// finish does to a job what its attempt decided.
func (e *Engine) finish(j *job, o durable.Outcome) {
	if j.run.canceled && o.Action != durable.Done {
		o.Action = durable.Cancel
	}
	if o.Action == durable.Requeue {
		j.attempt--
		e.wait(j, StatusAvailable, time.Now())
		return
	}
	j.err, j.verdict = o.Error, o.Verdict
	if o.State != nil {
		if !isObject(o.State) {
			panic(fmt.Sprintf("durabletest: the Outcome's State of task %q is no JSON object: %.100q", j.Task, o.State))
		}
		j.state = bytes.Clone(o.State)
	}
	switch o.Action {
	case durable.Done:
		e.end(j, StatusDone)
	case durable.Retry:
		e.wait(j, StatusRetrying, time.Now().Add(max(0, o.Delay)))
	case durable.Fail:
		e.end(j, StatusDead)
	case durable.Cancel:
		e.end(j, StatusCanceled)
	default:
		panic(fmt.Sprintf("durabletest: the Outcome of task %q has the unknown Action %d", j.Task, o.Action))
	}
}

// end ends a job. A key stays taken by a job that is done, if it was to be.
func (e *Engine) end(j *job, how Status) {
	delete(e.running, j)
	j.run, j.status, j.ended = nil, how, time.Now()
	if how != StatusDone || j.UniqueUntilDone {
		e.free(j)
	}
}
