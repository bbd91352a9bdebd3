package durabletest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// DeadLetters lists the jobs that ended with Fail; see durable.Engine. A Before that
// this engine does not know is a durable.ErrNotFound.
func (e *Engine) DeadLetters(_ context.Context, q durable.Query) ([]durable.DeadLetter, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var before *job
	if q.Before != "" {
		if before = e.jobs[q.Before]; before == nil {
			return nil, notFound(q.Before)
		}
	}
	var found []*job
	for _, j := range e.jobs {
		if j.status == StatusDead && (q.Task == "" || q.Task == j.Task) && (q.Queue == "" || q.Queue == j.Queue) &&
			(before == nil || latestFirst(before, j) < 0) {
			found = append(found, j)
		}
	}
	slices.SortFunc(found, latestFirst)
	var out []durable.DeadLetter
	for _, j := range found[:min(len(found), cmp.Or(q.Limit, durable.DefaultLimit))] {
		out = append(out, j.letter())
	}
	return out, nil
}

func latestFirst(a, b *job) int {
	return cmp.Or(b.ended.Compare(a.ended), cmp.Compare(b.number, a.number))
}

// DeadLetter returns a dead letter; see durable.Engine.
func (e *Engine) DeadLetter(_ context.Context, id string) (durable.DeadLetter, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.dead(id)
	if err != nil {
		return durable.DeadLetter{}, err
	}
	return j.letter(), nil
}

// Retry makes a dead letter a job again; see durable.Engine. If another job has taken
// its unique key, it stays what it is.
func (e *Engine) Retry(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.dead(id)
	if err != nil {
		return err
	}
	if j.Unique != "" {
		if holder := e.keys[j.key()]; holder != nil {
			return fmt.Errorf("durabletest: the dead letter %s can't be retried: the job %s has its unique key %q now", id, holder.id, j.Unique)
		}
		e.keys[j.key()] = j
	}
	j.attempt, j.ended = 0, time.Time{}
	e.wait(j, StatusAvailable, time.Now())
	e.settle()
	return nil
}

// Discard deletes a dead letter; see durable.Engine.
func (e *Engine) Discard(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.dead(id)
	if err != nil {
		return err
	}
	delete(e.jobs, j.id)
	e.settle()
	return nil
}

func (e *Engine) dead(id string) (*job, error) {
	if j := e.jobs[id]; j != nil && j.status == StatusDead {
		return j, nil
	}
	return nil, notFound(id)
}

func notFound(id string) error { return fmt.Errorf("%w: %q", durable.ErrNotFound, id) }
