package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/riverqueue/river"
)

// The settings of riverdurable, which keeps them to itself. A test compares.
const (
	workers       = 200
	maxAttempts   = 1<<15 - 1
	fetchCooldown = 5 * time.Millisecond
	fetchPoll     = 500 * time.Millisecond
	keep          = 24 * time.Hour
	forever       = -1
)

// riverQueue is raw River.
type riverQueue[TTx any] struct {
	store[TTx]
	defaults bool
}

type riverSession[TTx any] struct {
	store   store[TTx]
	inserts *river.Client[TTx]
	works   *river.Client[TTx] // nil: it only enqueues
}

func (q riverQueue[TTx]) start(ctx context.Context, do func(order)) (session, error) {
	inserts, err := river.NewClient(q.driver, q.insertConfig())
	if err != nil {
		return nil, err
	}
	s := riverSession[TTx]{store: q.store, inserts: inserts}
	if do == nil {
		return s, nil
	}
	if s.works, err = river.NewClient(q.driver, q.workConfig(do)); err != nil {
		return nil, err
	}
	return s, s.works.Start(context.WithoutCancel(ctx)) // it is ended by stop
}

// insertConfig is that of riverdurable's newEngine. River has one client for both, which
// by default notifies workers of inserts a hundredth as often.
func (q riverQueue[TTx]) insertConfig() *river.Config {
	return &river.Config{
		FetchCooldown: river.FetchCooldownMin, Logger: toStderr(), MaxAttempts: maxAttempts,
		SkipUnknownJobCheck: true,
	}
}

// workConfig is that of riverdurable's sessions, or River's own.
func (q riverQueue[TTx]) workConfig(do func(order)) *river.Config {
	all := river.NewWorkers()
	river.AddWorker(all, river.WorkFunc(func(_ context.Context, job *river.Job[order]) error {
		do(job.Args)
		return nil
	}))
	if q.defaults {
		return &river.Config{
			Logger: toStderr(), Workers: all,
			Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 100}},
		}
	}
	c := &river.Config{
		Logger: toStderr(), Workers: all, FetchOnlyKnownKinds: true,
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll,
		JobTimeout: -1, MaxAttempts: maxAttempts,
		CompletedJobRetentionPeriod: keep, CancelledJobRetentionPeriod: keep, DiscardedJobRetentionPeriod: forever,
	}
	if q.exclusive {
		c.ReindexerIndexNames = []string{}
	}
	return c
}

// toStderr has River complain where it is seen.
func toStderr() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (s riverSession[TTx]) enqueue(ctx context.Context, o order) error {
	_, err := s.inserts.Insert(ctx, o, nil)
	return err
}

func (s riverSession[TTx]) fill(ctx context.Context, n int) error {
	return s.store.inTx(ctx, func(tx TTx) error {
		for i := range n {
			if _, err := s.inserts.InsertTx(ctx, tx, newOrder(i), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s riverSession[TTx]) stop(ctx context.Context) error {
	if s.works == nil {
		return nil
	}
	return errors.Join(s.works.Stop(ctx), ctx.Err())
}
