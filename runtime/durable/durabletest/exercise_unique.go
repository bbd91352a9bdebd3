package durabletest

import (
	"strings"
	"sync"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var uniqueTests = []exercise{
	{"waiting", func(l *lab) {
		for _, unique := range []func(string) durable.Option{durable.Unique, durable.UniqueUntilDone} {
			key := l.unused("key")
			first := l.job("first", unique(key))
			id := l.put(l.bound(), first)
			l.duplicate(l.bound(), l.job("second", unique(key)), first, id)
			l.duplicate(l.bound(), l.job("in another queue", unique(key), durable.Queue(l.unused("queue"))), first, id)
		}
		l.work(1, done).take(2)
		l.nothing("its key was taken")
	}},
	{"running", func(l *lab) {
		passed, open := l.gate()
		c := l.work(2, blocked(passed))
		for _, unique := range []func(string) durable.Option{durable.Unique, durable.UniqueUntilDone} {
			key := l.unused("key")
			first := l.job("first", unique(key))
			id := l.put(l.bound(), first)
			c.expect(id, 1)
			l.duplicate(l.bound(), l.job("second", unique(key)), first, id)
		}
		open()
	}},
	{"retrying", func(l *lab) {
		first := l.job("first", durable.UniqueUntilDone(l.unused("key")))
		id := l.put(l.bound(), first)
		c := l.work(1, always(durable.Outcome{Action: durable.Retry, Delay: time.Hour, Error: "not yet"}))
		c.expect(id, 1)
		c.stop()
		second := first
		second.Envelope = l.envelope()
		l.duplicate(l.bound(), second, first, id)
	}},
	{"done", func(l *lab) {
		first := l.job("first", durable.Unique(l.unused("key")))
		id := l.put(l.bound(), first)
		c := l.work(1, done)
		c.expect(id, 1)
		c.stop()
		second := first
		second.Envelope = l.envelope()
		l.duplicate(l.bound(), second, first, id)
		l.nothing("a job that is done has its key")
	}},
	{"until done", func(l *lab) {
		key := durable.UniqueUntilDone(l.unused("key"))
		for range 3 {
			c := l.work(1, done)
			c.expect(l.enqueue("one after the other", key), 1)
			c.stop()
		}
	}},
	{"ended otherwise", func(l *lab) {
		for _, unique := range []func(string) durable.Option{durable.Unique, durable.UniqueUntilDone} {
			key := unique(l.unused("key"))
			for _, action := range []durable.Action{durable.Fail, durable.Cancel, durable.Done} {
				c := l.work(1, always(durable.Outcome{Action: action, Error: "given up"}))
				c.expect(l.enqueue("one after the other", key), 1)
				c.stop()
			}
		}
	}},
	{"keys are apart", func(l *lab) {
		key := l.unused("key")
		l.enqueue("first", durable.Unique(key))
		l.enqueue("another case", durable.Unique(strings.ToUpper(key)))
		l.enqueue("more text", durable.Unique(key+" "))
		l.enqueue("long", durable.Unique(key+strings.Repeat("k", durable.MaxUniqueKey-len(key))))
		l.enqueue("odd", durable.Unique(key+"\x00\xff'\"%{}"))
		l.enqueue("none")
		l.enqueue("none")
		other := l.job("another task", durable.Unique(key))
		other.Task = l.unused("task")
		l.put(l.bound(), other)
		l.work(1, done).take(7)
	}},
	{"at once", func(l *lab) {
		const callers = 16
		key := durable.Unique(l.unused("key"))
		type result struct {
			r   durable.Receipt
			err error
		}
		results := make(chan result, callers)
		ctx := l.bound()
		var all sync.WaitGroup
		for i := range callers {
			j := l.job(i, key)
			all.Go(func() {
				r, err := l.e.Enqueue(ctx, j)
				results <- result{r, err}
			})
		}
		all.Wait()
		stored, ids := 0, make(map[string]bool)
		for range callers {
			res := <-results
			if res.err != nil {
				l.Fatalf("Enqueue: %v", res.err)
			}
			if res.r.Duplicate == nil {
				stored++
			}
			ids[res.r.ID] = true
		}
		if stored != 1 || len(ids) != 1 {
			l.Errorf("%d of %d jobs with one key were stored, and the receipts have the ids %v; want one", stored, callers, ids)
		}
		l.work(1, done).next()
		l.nothing("one of its key was delivered")
	}},
}
