package durabletest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var sessionTests = []exercise{
	{"unknown tasks wait", func(l *lab) {
		stranger := l.job("for a newer release")
		stranger.Task = l.unused("task")
		id := l.put(l.bound(), stranger)
		c := l.work(1, done)
		l.none(c.barrier(), "the worker doesn't know its task")
		// Both releases are there for a while.
		newer := l.work(1, done, func(w *durable.Worker) { w.Tasks = []string{l.task, stranger.Task} })
		l.sameJSON("Args", newer.expect(id, 1).Args, stranger.Args)
	}},
	{"begin's context", func(l *lab) {
		ctx, cancel := context.WithCancel(context.Background())
		got := make(chan durable.Delivery, 1)
		s, err := l.e.Work(ctx, durable.Worker{
			Tasks: []string{l.task}, Queues: []string{l.queue}, Limit: 1, Logger: slog.New(slog.DiscardHandler),
			Do: func(ctx context.Context, d durable.Delivery) durable.Outcome {
				if ctx.Err() != nil {
					l.Errorf("the context of Do ended with that of Work: %v", durable.Cause(ctx))
				}
				got <- d
				return done(ctx, d)
			},
		})
		if err != nil {
			l.Fatalf("Work: %v", err)
		}
		l.crews = append(l.crews, &crew{Session: s, l: l})
		cancel()
		l.enqueue(1)
		receive(l, "a delivery after the context of Work had ended", got)
	}},
	{"stop waits", func(l *lab) {
		const running = 5
		passed, open := l.gate()
		c := l.work(running, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			<-passed
			if ctx.Err() != nil {
				l.Errorf("Stop canceled a job: %v", durable.Cause(ctx))
			}
			return done(ctx, d)
		})
		for range running {
			l.enqueue("runs")
		}
		c.take(running)
		waits := l.enqueue("waits for a worker")
		stopped := make(chan error, 2)
		for range cap(stopped) { // a second call waits, too
			go func() { stopped <- c.Stop(l.bound()) }()
		}
		select {
		case err := <-stopped:
			l.Fatalf("Stop returned %v while %d jobs ran", err, running)
		case <-time.After(glance):
		}
		open()
		for range cap(stopped) {
			if err := receive(l, "the end of Stop", stopped); err != nil {
				l.Errorf("Stop: %v", err)
			}
		}
		c.end.Store(true)
		// The outcomes are stored: of all the jobs, only the one that waited is left.
		next := l.work(1, done)
		next.expect(waits, 1)
		l.none(next.barrier(), "its outcome was to be stored when Stop returned")
	}},
	{"stop without a job", func(l *lab) {
		c := l.work(1, done)
		c.stop()
		c.stop()
		l.enqueue(1) // c checks that it does not get it
		l.work(1, done).next()
	}},
	{"stop gives up", func(l *lab) {
		passed, open := l.gate()
		c := l.work(1, blocked(passed))
		c.expect(l.enqueue("slow"), 1)
		ctx, cancel := context.WithTimeout(context.Background(), glance)
		defer cancel()
		if err := c.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			l.Errorf("Stop with a context that ended returned %v, want its error", err)
		}
		l.enqueue("not for this session")
		open()
		c.stop() // and if it got one more, it says so
		next := l.work(1, done)
		next.next()
		l.none(next.barrier(), "its outcome was to be stored when the second Stop returned")
	}},
	{"stop hands back", func(l *lab) {
		passed, open := l.gate()
		c := l.work(2, func(context.Context, durable.Delivery) durable.Outcome {
			<-passed
			return durable.Outcome{} // as a runtime does that shuts down
		})
		ids := map[string]bool{l.enqueue(1): true, l.enqueue(2): true}
		c.take(2)
		ctx, cancel := context.WithTimeout(context.Background(), glance)
		defer cancel()
		if err := c.Stop(ctx); err == nil {
			l.Error("Stop returned while two jobs ran")
		}
		open() // now that Stop was called, c must not get them back
		c.stop()
		for _, d := range l.work(2, done).take(2) {
			if !ids[d.ID] || d.Attempt != 1 {
				l.Errorf("attempt %d of job %s was delivered, want the first of %v", d.Attempt, d.ID, ids)
			}
			delete(ids, d.ID)
		}
	}},
	{"queues", func(l *lab) {
		l.stats("an empty queue", durable.QueueStats{})
		passed, open := l.gate()
		c := l.work(1, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			switch l.number(d) {
			case 1:
				return durable.Outcome{Action: durable.Retry, Delay: time.Hour, Error: "later"}
			case 2:
				return fail
			case 3:
				<-passed
			}
			return done(ctx, d)
		})
		for n := range 4 {
			l.enqueue(n)
			c.next()
		}
		began := time.Now()
		l.enqueue(4)
		l.enqueue(5)
		l.enqueue(6, durable.At(time.Now().Add(time.Hour)))
		var got durable.QueueStats
		l.await("the age of the oldest job", func() bool { // it may be counted in milliseconds
			got = l.stats("a queue with a job of each kind",
				durable.QueueStats{Available: 2, Scheduled: 1, Retrying: 1, Running: 1, Dead: 1})
			return got.Oldest > 0
		})
		if got.Oldest > time.Since(began)+skew {
			l.Errorf("the Oldest has been waiting for %v, and was enqueued %v ago", got.Oldest, time.Since(began))
		}
		open()
		c.take(2)
		c.stop()
		l.stats("after the work", durable.QueueStats{Scheduled: 1, Retrying: 1, Dead: 1})
	}},
}
