package durabletest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// watched is an engine whose calls return in the end, so that a test of one that gets
// stuck fails with a word on why, and the rest of the tests goes on.
type watched struct {
	e     durable.Engine
	bound time.Duration
}

// watch calls f, and gives it up after a while.
func watch[T any](bound time.Duration, call string, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	c := make(chan result, 1)
	go func() {
		v, err := f()
		c <- result{v, err}
	}()
	select {
	case r := <-c:
		return r.v, r.err
	case <-time.After(bound):
		var none T
		return none, fmt.Errorf("durabletest: %s has not returned for %v", call, bound)
	}
}

// only is watch for what returns no more than an error.
func only(bound time.Duration, call string, f func() error) error {
	_, err := watch(bound, call, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

func (w watched) Enqueue(ctx context.Context, j durable.Job) (durable.Receipt, error) {
	return watch(w.bound, "Enqueue", func() (durable.Receipt, error) { return w.e.Enqueue(ctx, j) })
}

func (w watched) Work(ctx context.Context, worker durable.Worker) (durable.Session, error) {
	s, err := watch(w.bound, "Work", func() (durable.Session, error) { return w.e.Work(ctx, worker) })
	if err == nil && s == nil {
		return nil, errors.New("durabletest: Work returned neither a Session nor an error")
	}
	return watchedSession{s, w.bound}, err
}

type watchedSession struct {
	s     durable.Session
	bound time.Duration
}

func (s watchedSession) Stop(ctx context.Context) error {
	return only(s.bound, "Stop", func() error { return s.s.Stop(ctx) })
}

func (w watched) Queues(ctx context.Context) ([]durable.QueueStats, error) {
	return watch(w.bound, "Queues", func() ([]durable.QueueStats, error) { return w.e.Queues(ctx) })
}

func (w watched) DeadLetters(ctx context.Context, q durable.Query) ([]durable.DeadLetter, error) {
	return watch(w.bound, "DeadLetters", func() ([]durable.DeadLetter, error) { return w.e.DeadLetters(ctx, q) })
}

func (w watched) DeadLetter(ctx context.Context, id string) (durable.DeadLetter, error) {
	return watch(w.bound, "DeadLetter", func() (durable.DeadLetter, error) { return w.e.DeadLetter(ctx, id) })
}

func (w watched) Retry(ctx context.Context, id string) error {
	return only(w.bound, "Retry", func() error { return w.e.Retry(ctx, id) })
}

func (w watched) Discard(ctx context.Context, id string) error {
	return only(w.bound, "Discard", func() error { return w.e.Discard(ctx, id) })
}
