package durabletest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// FailEnqueue has every Enqueue from now on fail with err; nil ends that.
func (e *Engine) FailEnqueue(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failure = err
}

// Jobs returns all jobs, those that have ended included, in the order of Enqueue. Dead
// letters that were discarded are missing, and so are jobs of open transactions.
func (e *Engine) Jobs() []JobInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	var all []*job
	for _, j := range e.jobs {
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b *job) int { return cmp.Compare(a.number, b.number) })
	infos := make([]JobInfo, len(all))
	for i, j := range all {
		infos[i] = j.info()
	}
	return infos
}

// Pending returns the number of jobs that run, wait or retry.
func (e *Engine) Pending() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, j := range e.jobs {
		if j.status.pending() {
			n++
		}
	}
	return n
}

// Idle blocks until no job runs, and none waits or retries that a session would take.
// Jobs of tasks and queues that no session knows don't count. If ctx ends before, it
// returns the error of that, and what there was to wait for.
func (e *Engine) Idle(ctx context.Context) error {
	for {
		changed, busy := e.busy()
		if busy == "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("durabletest: the engine is not idle: %s: %w", busy, ctx.Err())
		}
	}
}

// busy tells what Idle waits for, and returns what is closed at the next change; "" if
// there is nothing.
func (e *Engine) busy() (changed <-chan struct{}, what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j := e.deliverable()
	if j == nil {
		return nil, ""
	}
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.changed, fmt.Sprintf("the job %s of task %q is %s", j.id, j.Task, j.status)
}

// deliverable returns a job that runs, or that a session will get; nil if there is none.
func (e *Engine) deliverable() *job {
	known := make(map[lane]bool)
	for _, s := range e.sessions {
		for _, l := range s.lanes {
			known[l] = true
		}
	}
	waits := func(j *job) bool { return known[j.lane()] }
	for j := range e.running {
		return j
	}
	for l := range known {
		if j := e.lanes[l].first(); j != nil {
			return j
		}
	}
	if i := slices.IndexFunc(e.later.jobs, waits); i >= 0 {
		return e.later.jobs[i]
	}
	return nil
}

// Cancel cancels a job, as an operator would. One that waits ends at once. One that runs
// is told by its context, whose cause is durable.ErrCanceled, and ends as canceled,
// unless its Outcome is Done. Cancel tells whether there was such a job.
func (e *Engine) Cancel(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	j := e.jobs[id]
	switch {
	case j == nil || !j.status.pending():
		return false
	case j.run != nil:
		j.run.canceled = true
		j.run.cancel(durable.ErrCanceled)
	default:
		j.leave()
		e.end(j, StatusCanceled)
		e.settle()
	}
	return true
}

// Crash does to a session, which must be one of this engine's, what the death of its
// process does: it gets no more jobs, those that it had are available again, with their
// attempts counted, and the Outcomes of these attempts are ignored. Nobody tells the
// attempts. Stop waits for them nevertheless.
func (e *Engine) Crash(s durable.Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	own := e.own(s)
	own.leave()
	e.release(own)
	e.settle()
}

// Lose does to a session, which must be one of this engine's, what the loss of its
// connection does: the attempts are told by their contexts, whose cause is
// durable.ErrLost, and their jobs are available again, as after a Crash. The session gets
// further jobs.
func (e *Engine) Lose(s durable.Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.release(e.own(s)) {
		r.cancel(durable.ErrLost)
	}
	e.settle()
}

// release takes the jobs away from a session, and returns the attempts.
func (e *Engine) release(s *session) (lost []*run) {
	for j := range e.running {
		r := j.run
		if r.s != s {
			continue
		}
		lost = append(lost, r)
		if r.canceled {
			e.end(j, StatusCanceled)
		} else {
			e.wait(j, StatusAvailable, time.Now())
		}
	}
	return lost
}

func (e *Engine) own(s durable.Session) *session {
	own, ok := s.(*session)
	if !ok || own.e != e {
		panic(fmt.Sprintf("durabletest: a %T is no session of this engine", s))
	}
	return own
}
