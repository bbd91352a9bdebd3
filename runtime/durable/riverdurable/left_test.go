package riverdurable_test

import (
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// runBy has a row run in the name of a client, as after a fetch whose answer was lost.
func (b backend) runBy(id, client string) {
	by := `jsonb('["` + client + `"]')`
	if b.isPG {
		by = "ARRAY['" + client + "']"
	}
	b.exec("UPDATE river_job SET state = 'running', attempt = 1, attempted_by = " + by + " WHERE id = " + id)
}

// TestStopLeavesNothing: a session that stops gives back what it does not know that it had.
func TestStopLeavesNothing(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		s := work(t, b, answer(done))
		r := enqueue(t, b, job("task", durable.At(time.Now().Add(time.Hour))))
		b.runBy(r.ID, s.(interface{ ID() string }).ID())
		stop(t, s)
		if state := b.state(r.ID); state != "available" {
			t.Errorf("it is %s", state)
		}
	})
}

// TestSQLiteLeft: rows of a session that has ended, and of nobody, are taken up by another
// session of the file. Those of sessions that work are not.
func TestSQLiteLeft(t *testing.T) {
	t.Parallel()
	b := sqliteBackend(t)
	h := newBlocker(durable.Outcome{Action: durable.Done})
	busy := enqueue(t, b, job("task"))
	work(t, b, h.handler)
	eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
	ended := work(t, b, answer(done))
	stop(t, ended)
	left := enqueue(t, b, job("other"))
	nobodys := enqueue(t, b, job("other"))
	b.runBy(left.ID, ended.(interface{ ID() string }).ID())
	b.exec("UPDATE river_job SET state = 'running', attempt = 1, attempted_by = NULL WHERE id = " + nobodys.ID)

	s := work(t, b, answer(done), func(w *durable.Worker) { w.Tasks = []string{"other"} })
	s.(interface{ Orphans() func() }).Orphans()()
	b.awaitState(t, left.ID, "completed")
	b.awaitState(t, nobodys.ID, "completed")
	if state := b.state(busy.ID); state != "running" || h.count() != 1 {
		t.Errorf("the one that runs is %s, after %d deliveries", state, h.count())
	}
	close(h.free)
	b.awaitState(t, busy.ID, "completed")
}
