package riverdurable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"

	"github.com/postlude/postlude/runtime/durable"
)

const (
	// River's default of 100 ms bounds a process to 1,000 jobs a second, however fast they are.
	fetchCooldown = 5 * time.Millisecond
	// What becomes due within seconds, and what was notified of while a connection was lost,
	// is noticed at the next look only.
	fetchPoll = 500 * time.Millisecond
)

// claim secures the rows of a session against being taken by others.
type claim interface {
	// sweep takes over the rows of the dead.
	sweep(ctx context.Context)
	// release ends it: what is left of the session's rows goes to others.
	release()
}

// session is a River client of its own, with what watches over its rows.
type session[TTx any] struct {
	engine *engine[TTx]
	id     string
	log    *slog.Logger
	guard  *guard
	client *river.Client[TTx]
	claim  claim // nil if nobody else could take the rows

	base      context.Context // of the client; ends when all is over
	end       context.CancelFunc
	stopping  chan struct{}
	stopOnce  sync.Once
	endOnce   sync.Once
	patrolled sync.WaitGroup
	done      chan struct{}
	err       error // after done
}

func (e *engine[TTx]) Work(ctx context.Context, w durable.Worker) (durable.Session, error) {
	s, err := e.newSession(w)
	if err != nil {
		return nil, wrap("beginning to work", err)
	}
	if err := s.start(ctx, w); err != nil {
		s.abandon()
		return nil, wrap("beginning to work", err)
	}
	return s, nil
}

func (e *engine[TTx]) newSession(w durable.Worker) (*session[TTx], error) {
	if w.Do == nil || w.Logger == nil || w.Limit < 0 {
		return nil, fmt.Errorf("the Worker needs Do and a Logger, and a Limit that is not negative (%d)", w.Limit)
	}
	s := &session[TTx]{engine: e, log: w.Logger, stopping: make(chan struct{}), done: make(chan struct{})}
	s.base, s.end = context.WithCancel(durable.TranslateCause(context.Background(), meaning))
	limit := w.Limit
	if limit == 0 {
		limit = maxWorkers
	}
	s.guard = &guard{
		Executor: e.driver.GetExecutor(), flights: flights{m: map[int64]*flight{}},
		slots: make(chan struct{}, limit), stopping: s.stopping,
		refused: e.store.dialect.isRefused, lost: durable.ErrLost, log: w.Logger,
	}
	if e.exclusive() {
		s.guard.wakes = newWakes()
	}
	if err := e.register(s); err != nil {
		return nil, err
	}
	s.guard.fetch = s.guard.Executor.JobGetAvailable
	s.guard.running = func(ctx context.Context) (map[int64]int, error) { return e.store.running(ctx, s.id) }
	if db, ok := e.store.db.(postgresDB); ok {
		s.guard.fetch = db.fetch
		s.guard.fence = func(ctx context.Context, ids []int64, write func(riverdriver.Executor, map[int64]int) error) error {
			return e.store.fence(ctx, s.id, ids, write)
		}
		s.guard.complete = func(ctx context.Context, done completions) error {
			return db.complete(ctx, s.id, done)
		}
	}
	return s, nil
}

// start has the claim first: a job must not be fetched before it is safe. From then on, the
// claim says whether the session has it, and must not be overruled.
func (s *session[TTx]) start(ctx context.Context, w durable.Worker) (err error) {
	s.guard.claimed.set(true)
	if s.engine.claim != nil {
		if s.claim, err = s.engine.claim(ctx, s); err != nil {
			return err
		}
	}
	if s.client, err = river.NewClient(guardedDriver[TTx]{s.engine.driver, s.guard}, s.config(w)); err != nil {
		return err
	}
	// ctx is for the start only, but River takes one for all.
	unhook := context.AfterFunc(ctx, s.end)
	err = s.client.Start(s.base)
	if !unhook() {
		err = errors.Join(err, ctx.Err())
		s.fetchNoMore()
		<-s.client.Stopped()
	}
	if err == nil {
		s.patrolled.Go(s.patrol)
	}
	return err
}

func (s *session[TTx]) config(w durable.Worker) *river.Config {
	e := s.engine
	handler := &worker{do: w.Do, flights: &s.guard.flights, stopping: s.stopping, log: w.Logger}
	workers := river.NewWorkers()
	for _, task := range tasksOf(w) {
		river.AddWorkerArgs(workers, given{kind: task}, river.Worker[given](handler))
	}
	c := &river.Config{
		ID: s.id, Logger: riverLogger(w.Logger),
		Workers: workers, Queues: s.queues(w), FetchOnlyKnownKinds: true,
		//lint:ignore SA1019 names of tasks are the runtime's to judge; River's table takes them all
		SkipJobKindValidation: true,
		FetchCooldown:         fetchCooldown, FetchPollInterval: fetchPoll,
		JobTimeout: -1, MaxAttempts: maxAttempts, RetryPolicy: slowly{}, ErrorHandler: handler,
		CompletedJobRetentionPeriod: e.completed, CancelledJobRetentionPeriod: e.canceled, DiscardedJobRetentionPeriod: e.dead,
	}
	if e.exclusive() {
		c.ReindexerIndexNames = []string{} // it would hold up all writers
	}
	return c
}

func (e *engine[TTx]) exclusive() bool { return e.claim == nil }

// wake has the sessions of a file look at a queue.
func (e *engine[TTx]) wake(queue string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		s.guard.wakes.wake(queue)
	}
}

// works tells whether the id is of a session.
func (e *engine[TTx]) works(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[id] != nil
}

// tasksOf returns the names, each once. River wants a worker, so that one who knows no task
// gets one of a name that no job can have.
func tasksOf(w durable.Worker) []string {
	seen := map[string]bool{}
	var tasks []string
	for _, task := range w.Tasks {
		if !seen[task] {
			seen[task] = true
			tasks = append(tasks, task)
		}
	}
	if len(tasks) == 0 {
		return []string{""}
	}
	return tasks
}

func (s *session[TTx]) queues(w durable.Worker) map[string]river.QueueConfig {
	names := w.Queues
	if len(names) == 0 {
		names = []string{durable.DefaultQueue}
	}
	limit := cap(s.guard.slots)
	queues := map[string]river.QueueConfig{}
	for _, name := range names {
		if name == "" {
			name = durable.DefaultQueue
		}
		queues[name] = river.QueueConfig{MaxWorkers: min(limit, s.engine.workers)}
	}
	for name, n := range s.engine.config.queues {
		queues[name] = river.QueueConfig{MaxWorkers: min(limit, n)}
	}
	return queues
}

// fetchNoMore also wakes the producers that wait for a slot.
func (s *session[TTx]) fetchNoMore() { s.stopOnce.Do(func() { close(s.stopping) }) }

// abandon cleans up after a start that failed.
func (s *session[TTx]) abandon() {
	s.fetchNoMore()
	s.end()
	if s.client != nil {
		s.releaseAll()
	}
	if s.claim != nil {
		s.claim.release()
	}
	s.engine.unregister(s)
}

func (s *session[TTx]) Stop(ctx context.Context) error {
	s.fetchNoMore()
	s.endOnce.Do(func() { go s.finish() })
	select {
	case <-s.done:
		return s.err
	default:
	}
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish waits for the attempts and for their outcomes being stored, whatever the callers
// of Stop wait for.
func (s *session[TTx]) finish() {
	defer close(s.done)
	_ = s.client.Stop(context.Background()) // which ends only when it has stopped
	s.end()
	s.patrolled.Wait()
	if n := s.guard.flights.count(); n > 0 {
		s.err = fmt.Errorf("riverdurable: stopping: the outcomes of %d attempts could not be stored, which will be made again", n)
	}
	s.releaseAll()
	if s.claim != nil {
		s.claim.release()
	}
	s.engine.unregister(s)
}

// releaseAll gives back what River could not, or never heard that it had: the answer to the
// last fetch may have been lost. Should that fail, too, it is the same as if the process had
// died, or the other sessions of the file find it.
func (s *session[TTx]) releaseAll() {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	if s.guard.claimed.isOpen() {
		_, _ = s.engine.store.releaseHeld(ctx, s.id, nil)
	}
}
