package durabletest

import (
	"context"
	"errors"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// dead makes dead letters, one after the other, and returns their ids.
func (l *lab) dead(n int, opts ...durable.Option) []string {
	l.Helper()
	c := l.work(1, always(fail), func(w *durable.Worker) {
		w.Queues = []string{durable.Options{Queue: l.queue}.With(opts...).Queue}
	})
	ids := make([]string, n)
	for i := range ids {
		ids[i] = l.enqueue(i, opts...)
		c.expect(ids[i], 1)
		l.await("the dead letter", func() bool {
			_, err := l.e.DeadLetter(l.bound(), ids[i])
			return err == nil
		})
		<-time.After(2 * time.Millisecond) // engines may store times in milliseconds, and list by them
	}
	c.stop()
	return ids
}

// list returns the ids of the letters that q selects.
func (l *lab) list(q durable.Query) (ids []string) {
	l.Helper()
	all, err := l.e.DeadLetters(l.bound(), q)
	if err != nil {
		l.Fatalf("DeadLetters of %+v: %v", q, err)
	}
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	return ids
}

// letter returns a dead letter that must be there.
func (l *lab) letter(id string) durable.DeadLetter {
	l.Helper()
	d, err := l.e.DeadLetter(l.bound(), id)
	if err != nil {
		l.Fatalf("DeadLetter of job %s: %v", id, err)
	}
	return d
}

// noLetter makes sure that there is no dead letter of an id.
func (l *lab) noLetter(id string) {
	l.Helper()
	_, err := l.e.DeadLetter(l.bound(), id)
	for method, err := range map[string]error{
		"DeadLetter": err, "Retry": l.e.Retry(l.bound(), id), "Discard": l.e.Discard(l.bound(), id),
	} {
		if !errors.Is(err, durable.ErrNotFound) {
			l.Errorf("%s of %q, which is no dead letter, returned %v, want durable.ErrNotFound", method, id, err)
		}
	}
}

// stats waits until the test's queue is as full as wanted; Oldest is not compared.
func (l *lab) stats(why string, want durable.QueueStats) (got durable.QueueStats) {
	l.Helper()
	want.Queue = l.queue
	defer func() {
		if l.Failed() {
			l.Logf("the last answer of Queues was %+v, want %+v", got, want)
		}
	}()
	l.await(why, func() bool {
		all, err := l.e.Queues(context.Background())
		if err != nil {
			l.Fatalf("Queues: %v", err)
		}
		got = durable.QueueStats{Queue: l.queue}
		for _, q := range all {
			if q.Queue == l.queue {
				got = q
			}
		}
		want.Oldest = got.Oldest
		return got == want
	})
	return got
}
