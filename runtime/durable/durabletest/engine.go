package durabletest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// Engine is a durable.Engine in memory. It does what a database does, crashes included,
// but forgets all with the process; and it keeps all until then, for tests to look at.
// In a testing/synctest bubble, where it has to be made, delays take no time. It has no
// goroutines but those of the attempts.
type Engine struct {
	mu       sync.Mutex
	last     uint64 // the number of the newest job
	jobs     map[string]*job
	keys     map[key]*job   // who holds a unique key
	lanes    map[lane]*heap // what can be delivered
	later    *heap          // what waits for its time
	running  map[*job]bool  // what an attempt may decide on
	sessions []*session     // those that take jobs
	timer    *time.Timer    // for the first of later
	changed  chan struct{}  // closed at the next change; nil: nobody waits for that
	failure  error          // see FailEnqueue
}

var _ durable.Engine = (*Engine)(nil)

// key is a unique key, which tasks don't share.
type key struct{ task, key string }

// NewEngine returns an empty engine. There is nothing to close.
func NewEngine() *Engine {
	return &Engine{
		jobs: make(map[string]*job), keys: make(map[key]*job),
		lanes: make(map[lane]*heap), later: newHeap(byTime), running: make(map[*job]bool),
	}
}

// Enqueue stores a job; see durable.Engine. A unique key that an open transaction has
// taken makes it wait for the end of that.
func (e *Engine) Enqueue(ctx context.Context, j durable.Job) (durable.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return durable.Receipt{}, err
	}
	if err := check(j); err != nil {
		return durable.Receipt{}, fmt.Errorf("durabletest: the job of task %q: %w", j.Task, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	tx, holder, err := e.admit(ctx, j)
	if err != nil {
		return durable.Receipt{}, err
	}
	if holder != nil {
		return durable.Receipt{ID: holder.id, Duplicate: slices.Clone(holder.Envelope)}, nil
	}
	return durable.Receipt{ID: e.store(j, tx).id}, nil
}

// admit waits until it is clear whether j may be stored, and as a part of which
// transaction; holder is the job that has its key.
func (e *Engine) admit(ctx context.Context, j durable.Job) (tx *Tx, holder *job, err error) {
	for {
		if e.failure != nil {
			return nil, nil, e.failure
		}
		if tx, err = e.open(durable.TxOf(ctx)); err != nil {
			return nil, nil, err
		}
		if j.Unique == "" {
			return tx, nil, nil
		}
		holder = e.keys[key{j.Task, j.Unique}]
		if holder == nil || holder.tx == nil || holder.tx == tx {
			return tx, holder, nil
		}
		if err := e.unlocked(ctx, holder.tx.done); err != nil {
			return nil, nil, err
		}
	}
}

// unlocked waits for done without the lock.
func (e *Engine) unlocked(ctx context.Context, done <-chan struct{}) error {
	e.mu.Unlock()
	defer e.mu.Lock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// store keeps a copy of dj.
func (e *Engine) store(dj durable.Job, tx *Tx) *job {
	if dj.Queue == "" {
		dj.Queue = durable.DefaultQueue
	}
	if dj.Priority == 0 {
		dj.Priority = durable.PriorityHighest
	}
	e.last++
	j := &job{Job: copied(dj), number: e.last, id: strconv.FormatUint(e.last, 10), enqueued: time.Now(), tx: tx}
	if j.Unique != "" {
		e.keys[j.key()] = j
	}
	if tx != nil {
		tx.jobs = append(tx.jobs, j)
		return j
	}
	e.appear(j)
	e.settle()
	return j
}

// appear makes a new job known.
func (e *Engine) appear(j *job) {
	j.tx = nil
	e.jobs[j.id] = j
	ready := time.Now()
	if j.At.After(ready) {
		ready = j.At
	}
	e.wait(j, StatusScheduled, ready)
}

func check(j durable.Job) error {
	faults := []error{j.Options.Check()}
	if j.Task == "" || len(j.Task) > durable.MaxTaskName {
		faults = append(faults, fmt.Errorf("the name of the task has %d bytes, and may have 1 to %d", len(j.Task), durable.MaxTaskName))
	}
	if !json.Valid(j.Args) {
		faults = append(faults, fmt.Errorf("its arguments are no JSON: %.100q", j.Args))
	}
	if !isObject(j.Envelope) {
		faults = append(faults, fmt.Errorf("its envelope is no JSON object: %.100q", j.Envelope))
	}
	return errors.Join(faults...)
}

func isObject(data json.RawMessage) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(data, &object) == nil && object != nil
}

// Queues tells how full the queues are, in the order of their names.
func (e *Engine) Queues(context.Context) ([]durable.QueueStats, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	e.advance(now)
	queues := make(map[string]*durable.QueueStats)
	for _, j := range e.jobs {
		q := queues[j.Queue]
		if q == nil {
			q = &durable.QueueStats{Queue: j.Queue}
			queues[j.Queue] = q
		}
		j.count(q, now)
	}
	return sorted(queues), nil
}
