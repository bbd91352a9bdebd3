package durabletest_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/postlude/postlude/runtime/durable"
)

var letterFaults = []fault{
	{"ignores Query.Task", "DeadLetters/filters", queries(func(q *durable.Query) { q.Task = "" })},
	{"ignores Query.Queue", "DeadLetters/filters", queries(func(q *durable.Query) { q.Queue = "" })},
	{"ignores Query.Before", "DeadLetters/pages", queries(func(q *durable.Query) { q.Before = "" })},
	{"has no default limit", "DeadLetters/default limit", queries(func(q *durable.Query) { q.Limit = max(q.Limit, 10_000) })},
	{"lists the oldest first", "DeadLetters/pages", func(b *broken) {
		b.list = func(ctx context.Context, q durable.Query) ([]durable.DeadLetter, error) {
			all, err := b.Engine.DeadLetters(ctx, q)
			slices.Reverse(all)
			return all, err
		}
	}},
	{"retries anything", "DeadLetters/not found", func(b *broken) {
		b.retry = func(ctx context.Context, id string) error {
			if err := b.Engine.Retry(ctx, id); !errors.Is(err, durable.ErrNotFound) {
				return err
			}
			return nil
		}
	}},
	{"says that nothing is there", "DeadLetters/retry while the key is taken", func(b *broken) {
		b.retry = func(ctx context.Context, id string) error {
			if b.Engine.Retry(ctx, id) != nil {
				return durable.ErrNotFound
			}
			return nil
		}
	}},
	{"goes on counting", "DeadLetters/retry", func(b *broken) {
		var retried atomic.Bool
		b.retry = func(ctx context.Context, id string) error {
			retried.Store(true)
			return b.Engine.Retry(ctx, id)
		}
		b.before = func(_ *durable.Worker, d *durable.Delivery) {
			if retried.Load() {
				d.Attempt += 2
			}
		}
	}},
	{"miscounts the queues", "Session/queues", func(b *broken) {
		b.queues = func(all []durable.QueueStats) {
			for i := range all {
				all[i].Available, all[i].Scheduled = all[i].Scheduled, all[i].Available
			}
		}
	}},
}

func queries(change func(*durable.Query)) func(*broken) {
	return func(b *broken) {
		b.list = func(ctx context.Context, q durable.Query) ([]durable.DeadLetter, error) {
			change(&q)
			return b.Engine.DeadLetters(ctx, q)
		}
	}
}
