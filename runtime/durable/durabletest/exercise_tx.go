package durabletest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var txTests = []exercise{
	{"committed", func(l *lab) {
		// An engine may hold back all others while a transaction is open, so nothing else is
		// asked of it until the commit.
		var committed atomic.Bool
		c := l.work(1, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			if !committed.Load() {
				l.Error("the job was delivered before the commit")
			}
			return done(ctx, d)
		})
		tx := l.tx()
		first, second := l.put(tx.ctx, l.job(1)), l.put(tx.ctx, l.job(2))
		select {
		case <-c.got:
		case <-time.After(glance):
		}
		committed.Store(true)
		tx.commit()
		ids := map[string]bool{first: true, second: true}
		for _, d := range c.take(2) {
			if !ids[d.ID] {
				l.Errorf("the job %s was delivered, want %v", d.ID, ids)
			}
			delete(ids, d.ID)
		}
		l.nothing("both were done")
	}},
	{"rolled back", func(l *lab) {
		c := l.work(1, done)
		tx := l.tx()
		l.put(tx.ctx, l.job("never"))
		l.put(tx.ctx, l.job("never", durable.At(time.Now().Add(time.Hour))))
		tx.rollback()
		l.none(c.barrier(), "its transaction was rolled back")
		c.stop()
		l.stats("after the rollback", durable.QueueStats{})
	}},
	{"committed without a session", func(l *lab) {
		tx := l.tx()
		id := l.put(tx.ctx, l.job("later", durable.Priority(2)))
		tx.commit()
		l.work(1, done).expect(id, 1)
	}},
	{"unique", func(l *lab) {
		key := durable.Unique(l.unused("key"))
		tx := l.tx()
		first := l.job("rolled back", key)
		l.duplicate(tx.ctx, l.job("again", key), first, l.put(tx.ctx, first))
		tx.rollback()
		tx = l.tx()
		second := l.job("committed", key)
		id := l.put(tx.ctx, second) // the key is free again
		tx.commit()
		l.duplicate(l.bound(), l.job("too late", key), second, id)
		tx = l.tx()
		l.duplicate(tx.ctx, l.job("too late", key), second, id)
		l.put(tx.ctx, l.job("a duplicate leaves the transaction usable", durable.Priority(2)))
		tx.commit()
		c := l.work(1, done)
		c.expect(id, 1)
		c.next()
		l.nothing("the key was taken")
	}},
	{"after its end", func(l *lab) {
		tx := l.tx()
		tx.commit()
		if r, err := l.e.Enqueue(tx.ctx, l.job("lost")); err == nil {
			l.Errorf("Enqueue in a transaction that was committed before returned %+v and no error", r)
		}
		l.nothing("its transaction had ended")
	}},
}

// transaction is one to enqueue in. It is rolled back if the test does not end it.
type transaction struct {
	ctx              context.Context
	commit, rollback func()
}

func (l *lab) tx() transaction {
	l.Helper()
	if l.begin == nil {
		l.Skip("durabletest.Begin does not tell how to begin a transaction")
	}
	tx, commit, rollback, err := l.begin(l.bound())
	if err != nil {
		l.Fatalf("the function of Begin: %v", err)
	}
	ended := false
	end := func(how string, f func() error) func() {
		return func() {
			l.Helper()
			ended = true
			if err := f(); err != nil {
				l.Fatalf("%s: %v", how, err)
			}
		}
	}
	l.gates = append(l.gates, func() { // with the others, before sessions are stopped
		if !ended {
			_ = rollback() // the test has failed already
		}
	})
	return transaction{durable.WithTx(l.bound(), tx), end("commit", commit), end("rollback", rollback)}
}
