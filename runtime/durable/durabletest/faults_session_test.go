package durabletest_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var sessionFaults = []fault{
	{"doesn't wait for what runs", "Session/stop waits", func(b *broken) {
		b.stop = func(_ context.Context, s durable.Session) error {
			go func() { _ = s.Stop(context.Background()) }()
			return nil
		}
	}},
	{"doesn't stop", "Session/stop without a job", func(b *broken) {
		b.stop = func(context.Context, durable.Session) error { return nil }
	}},
	{"waits longer than asked to", "Session/stop gives up", func(b *broken) {
		b.stop = func(ctx context.Context, s durable.Session) error {
			return s.Stop(context.WithoutCancel(ctx))
		}
	}},
	{"delivers while it stops", "Session/stop gives up", func(b *broken) {
		b.stop = func(ctx context.Context, s durable.Session) error {
			for b.Pending() > 0 && ctx.Err() == nil {
				<-time.After(time.Millisecond)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return s.Stop(ctx)
		}
	}},
	{"cancels when it stops", "Session/stop waits", func(b *broken) {
		stopping, cancel := context.WithCancel(context.Background())
		b.stop = func(ctx context.Context, s durable.Session) error {
			cancel()
			return s.Stop(ctx)
		}
		b.worker = bounded(func(context.Context) context.Context { return stopping })
	}},
	{"is bound to the context of Work", "Session/begin's context", func(b *broken) {
		b.worker = bounded(func(ctx context.Context) context.Context { return ctx })
	}},
	{"loses outcomes when it stops", "Crowd/stop under load", func(b *broken) {
		var stopping atomic.Bool
		b.stop = func(ctx context.Context, s durable.Session) error {
			stopping.Store(true)
			defer stopping.Store(false)
			<-time.After(10 * time.Millisecond)
			return s.Stop(ctx)
		}
		b.after = func(_ durable.Delivery, o durable.Outcome) durable.Outcome {
			if stopping.Load() {
				return durable.Outcome{}
			}
			return o
		}
	}},
}

// bounded makes a fault of a context that ends the attempts, too.
func bounded(by func(ctx context.Context) context.Context) func(context.Context, *durable.Worker) {
	return func(ctx context.Context, w *durable.Worker) {
		do, other := w.Do, by(ctx)
		w.Do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(other, cancel)()
			if other.Err() != nil {
				cancel() // AfterFunc would, in a moment
			}
			return do(ctx, d)
		}
	}
}
