package durabletest

import (
	"context"
	"errors"
	"slices"

	"github.com/postlude/postlude/runtime/durable"
)

// session is a durable.Session of an Engine; the engine's lock guards it.
type session struct {
	e       *Engine
	w       durable.Worker
	lanes   []lane
	running int           // calls of Do
	over    bool          // it takes no more jobs
	done    chan struct{} // closed when it is over and nothing runs
}

// run is an attempt.
type run struct {
	s        *session
	j        *job
	cancel   context.CancelCauseFunc
	canceled bool // by Cancel
}

// Work begins to deliver jobs to w; see durable.Engine. A Do that ends its goroutine
// counts as a crash of w.
func (e *Engine) Work(ctx context.Context, w durable.Worker) (durable.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.Do == nil || w.Limit < 1 {
		return nil, errors.New("durabletest: a Worker needs a Do and a Limit of at least 1")
	}
	s := &session{e: e, w: w, done: make(chan struct{})}
	queues := w.Queues
	if len(queues) == 0 {
		queues = []string{durable.DefaultQueue}
	}
	for _, q := range queues {
		for _, t := range w.Tasks {
			if l := (lane{q, t}); !slices.Contains(s.lanes, l) {
				s.lanes = append(s.lanes, l)
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions = append(e.sessions, s)
	e.settle()
	return s, nil
}

// Stop ends the session; see durable.Session.
func (s *session) Stop(ctx context.Context) error {
	s.e.mu.Lock()
	s.leave()
	s.e.settle()
	s.e.mu.Unlock()
	select {
	case <-s.done:
		return nil
	default:
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave ends the delivery to the session.
func (s *session) leave() {
	if s.over {
		return
	}
	s.over = true
	s.e.sessions = slices.DeleteFunc(s.e.sessions, func(o *session) bool { return o == s })
	if s.running == 0 {
		close(s.done)
	}
}

// next returns the job that the session should get next; nil if there is none, or it is
// busy.
func (s *session) next() *job {
	if s.running >= s.w.Limit {
		return nil
	}
	var best *job
	for _, l := range s.lanes {
		if j := s.e.lanes[l].first(); j != nil && (best == nil || byPriority(j, best) < 0) {
			best = j
		}
	}
	return best
}

// begin begins an attempt.
func (s *session) begin(j *job) {
	j.leave()
	j.status = StatusRunning
	j.attempt++
	ctx, cancel := context.WithCancelCause(context.Background())
	j.run = &run{s: s, j: j, cancel: cancel}
	s.e.running[j] = true
	s.running++
	go j.run.do(ctx, j.delivery())
}

func (r *run) do(ctx context.Context, d durable.Delivery) {
	returned := false
	defer func() {
		if !returned { // but ended its goroutine, or panicked
			r.s.e.Crash(r.s)
			r.end(durable.Outcome{})
		}
	}()
	o := r.s.w.Do(ctx, d)
	returned = true
	r.end(o)
}

// end stores what came of an attempt, unless it has lost its job.
func (r *run) end(o durable.Outcome) {
	r.s.e.mu.Lock()
	defer r.s.e.mu.Unlock()
	r.cancel(nil)
	if r.j.run == r {
		r.s.e.finish(r.j, o)
	}
	r.s.running--
	if r.s.over && r.s.running == 0 {
		close(r.s.done)
	}
	r.s.e.settle()
}
