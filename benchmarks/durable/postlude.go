package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
)

// postludeQueue is Postlude with its defaults, observed as in production.
type postludeQueue[TTx any] struct{ store[TTx] }

type postludeSession[TTx any] struct {
	store     store[TTx]
	task      *postlude.Task[order]
	rt        *postlude.Runtime
	telemetry *telemetry
	enqueued  atomic.Int64
	ran       atomic.Int64
}

func (q postludeQueue[TTx]) start(_ context.Context, do func(order)) (session, error) {
	s := &postludeSession[TTx]{store: q.store, telemetry: newTelemetry()}
	s.task = postlude.Define(kind, func(_ context.Context, o order) error {
		s.ran.Add(1)
		do(o)
		return nil
	}, postlude.Durable())
	var err error
	s.rt, err = postlude.New(postlude.Config{
		Engine: q.engine, Tasks: []postlude.Definition{s.task}, EnqueueOnly: do == nil,
		Logger: s.telemetry.logger, TracerProvider: s.telemetry.spans, MeterProvider: s.telemetry.metrics,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *postludeSession[TTx]) enqueue(ctx context.Context, o order) error {
	s.enqueued.Add(1)
	_, err := postlude.Go(s.rt.Context(ctx), s.task.With(o))
	return err
}

func (s *postludeSession[TTx]) fill(ctx context.Context, n int) error {
	return s.store.inTx(ctx, func(tx TTx) error {
		ctx := durable.WithTx(ctx, tx)
		for i := range n {
			if err := s.enqueue(ctx, newOrder(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// stop also sees to it that all was observed: a Postlude whose spans were dropped would
// be faster.
func (s *postludeSession[TTx]) stop(ctx context.Context) error {
	_, err := s.rt.Shutdown(ctx)
	if err = errors.Join(err, s.telemetry.shutdown(ctx)); err != nil {
		return err
	}
	enqueued, ran := s.enqueued.Load(), s.ran.Load()
	if spans := s.telemetry.exported.Load(); spans != enqueued+ran {
		return fmt.Errorf("%d spans were exported, of %d tasks enqueued and %d run", spans, enqueued, ran)
	}
	if records := s.telemetry.records.Load(); records < ran {
		return fmt.Errorf("%d records were written, of %d tasks", records, ran)
	}
	return nil
}
