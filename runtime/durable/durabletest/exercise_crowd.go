package durabletest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var crowdTests = []exercise{
	{"two sessions", func(l *lab) {
		const jobs = 1000 / fewer
		l.crowd(8, jobs, func(i int) any { return i })
		a, b := l.work(10, done), l.work(10, done)
		seen := make(map[string]int)
		for range jobs {
			seen[either(a, b).ID]++
		}
		if len(seen) != jobs {
			l.Errorf("of %d deliveries, only %d were of jobs that had not been delivered before", jobs, len(seen))
		}
		l.nothing("all were done")
	}},
	{"limit", func(l *lab) {
		const limit, jobs = 3, 30
		other := l.unused("queue")
		var running atomic.Int64
		full, together := l.gate()
		for i := range jobs {
			l.enqueue(i, durable.Queue([]string{l.queue, other}[i%2]))
		}
		c := l.work(limit, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			switch n := running.Add(1); {
			case n > limit:
				l.Errorf("%d jobs run at once, and the Limit is %d", n, limit)
			case n == limit:
				time.AfterFunc(glance, together) // one too many has the time to show
			}
			select {
			case <-full:
			case <-time.After(l.patience / 2):
				l.Errorf("%d jobs don't run at once, though the Limit would let them", limit)
				together()
			}
			running.Add(-1)
			return done(ctx, d)
		}, func(w *durable.Worker) { w.Queues = []string{l.queue, other} })
		c.take(jobs)
	}},
	{"enqueue during work", func(l *lab) {
		const jobs = 500 / fewer
		c := l.work(8, done)
		l.crowd(16, jobs, func(i int) any { return i })
		seen := make(map[int]int)
		for range jobs {
			seen[l.number(c.next())]++
		}
		if len(seen) != jobs {
			l.Errorf("of %d deliveries, only %d were of jobs that had not been delivered before", jobs, len(seen))
		}
		l.nothing("all were done")
	}},
	{"stop under load", func(l *lab) {
		const jobs, sessions = 300 / fewer, 3
		l.crowd(8, jobs, func(i int) any { return i })
		seen := make(map[string]int)
		note := func(d durable.Delivery) {
			if seen[d.ID]++; seen[d.ID] > 1 || d.Attempt != 1 {
				l.Errorf("job %s was delivered as attempt %d, for the %d. time", d.ID, d.Attempt, seen[d.ID])
			}
		}
		for range sessions {
			c := l.work(5, func(ctx context.Context, d durable.Delivery) durable.Outcome {
				<-time.After(time.Millisecond) // so that there is something left when Stop comes
				return done(ctx, d)
			})
			for n := 0; n < jobs/sessions/2 && len(seen) < jobs; n++ {
				note(c.next())
			}
			for _, d := range c.halt() { // in the midst of the work
				note(d)
			}
		}
		if len(seen) < jobs {
			for _, d := range l.work(5, done).take(jobs - len(seen)) {
				note(d)
			}
		}
		l.nothing("all were done")
	}},
	{"everything at once", everythingAtOnce},
}

// crowd enqueues jobs from several goroutines.
func (l *lab) crowd(goroutines, jobs int, args func(i int) any) {
	l.Helper()
	ctx := l.bound()
	todo := make(chan durable.Job, jobs)
	for i := range jobs {
		todo <- l.job(args(i))
	}
	close(todo)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for j := range todo {
				if r, err := l.e.Enqueue(ctx, j); err != nil || r.ID == "" || r.Duplicate != nil {
					l.Errorf("Enqueue of %s: %+v, %v", j.Args, r, err)
				}
			}
		})
	}
	all.Wait()
	if l.Failed() {
		l.FailNow()
	}
}

// either returns the next delivery of two crews.
func either(a, b *crew) durable.Delivery {
	a.l.Helper()
	select {
	case d := <-a.got:
		return d
	case d := <-b.got:
		return d
	case <-time.After(a.l.patience):
		a.l.Fatalf("the next delivery to one of two sessions: not within %v", a.l.patience)
		panic("unreachable")
	}
}
