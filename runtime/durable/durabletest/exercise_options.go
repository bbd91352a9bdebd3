package durabletest

import (
	"context"
	"slices"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var optionTests = []exercise{
	{"queues are apart", func(l *lab) {
		other := l.unused("queue")
		elsewhere := l.enqueue("elsewhere", durable.Queue(other))
		here := l.enqueue("here")
		c := l.work(1, done)
		c.expect(here, 1)
		l.none(c.barrier(), "it is not of the queue of this worker")
		l.work(1, done, func(w *durable.Worker) { w.Queues = []string{other} }).expect(elsewhere, 1)
	}},
	{"several queues", func(l *lab) {
		queues := []string{l.queue, l.unused("queue"), l.unused("queue")}
		ids := make(map[string]bool)
		for _, q := range queues {
			ids[l.enqueue(q, durable.Queue(q))] = true
		}
		c := l.work(1, done, func(w *durable.Worker) { w.Queues = queues })
		for _, d := range c.take(len(queues)) {
			delete(ids, d.ID)
		}
		if len(ids) > 0 {
			l.Errorf("the jobs %v are missing", ids)
		}
	}},
	{"queues are side by side", func(l *lab) {
		other := l.unused("queue")
		passed, open := l.gate()
		c := l.work(4, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			if d.Queue == l.queue {
				<-passed
			}
			return done(ctx, d)
		}, func(w *durable.Worker) { w.Queues = []string{l.queue, other} })
		l.enqueue("slow")
		l.enqueue("slow")
		c.take(2)
		quick := l.enqueue("quick", durable.Queue(other))
		c.expect(quick, 1)
		open()
	}},
	{"priority", func(l *lab) {
		var want []int
		for _, p := range []int{4, 3, 0, 2, 4, 1, 3, 2} {
			l.enqueue(max(p, durable.PriorityHighest), durable.Priority(p))
			want = append(want, max(p, durable.PriorityHighest))
		}
		slices.Sort(want)
		var got []int
		for _, d := range l.work(1, done).take(len(want)) {
			got = append(got, l.number(d))
			if l.number(d) != d.Priority {
				l.Errorf("a job of the priority %s is delivered with %d", d.Args, d.Priority)
			}
		}
		if !slices.Equal(got, want) {
			l.Errorf("the jobs were delivered in the order %v of their priorities, want %v", got, want)
		}
	}},
	{"at", func(l *lab) {
		at := time.Now().Add(time.Second)
		later := l.enqueue("later", durable.At(at))
		now := l.enqueue("now", durable.Priority(durable.PriorityLowest))
		past := l.enqueue("past", durable.At(time.Now().Add(-time.Hour)))
		c := l.work(1, done)
		c.expect(past, 1)
		c.expect(now, 1)
		d := c.expect(later, 1)
		if early := time.Until(at) - early; early > 0 {
			l.Errorf("the job was delivered %v before its time", early)
		}
		if !between(d.Ready, at, at) {
			l.Errorf("it is Ready at %v, want its time: %v", d.Ready, at)
		}
	}},
	{"at is no time zone's", func(l *lab) {
		zone := time.FixedZone("far east", 14*60*60)
		c := l.work(1, done)
		c.expect(l.enqueue("now", durable.At(time.Now().Add(-time.Minute).In(zone))), 1)
		l.enqueue("in an hour", durable.At(time.Now().Add(time.Hour).In(time.FixedZone("far west", -12*60*60))))
		l.none(c.barrier(), "it is not due for an hour")
	}},
}
