package riverdurable_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/internal/pgtest"
	"github.com/postlude/postlude/runtime/durable"
)

// lockBackend is the server's process of the only session's lock.
const (
	hereLocked  = "FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	lockBackend = "SELECT pid " + hereLocked + " AND granted"
)

// TestLockComesBack: a connection that is lost for a moment costs no attempt.
func TestLockComesBack(t *testing.T) {
	t.Parallel()
	b := postgresBackend(t)
	h := newBlocker(durable.Outcome{Action: durable.Done})
	r := enqueue(t, b, job("task"))
	work(t, b, h.handler)
	eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
	before := b.value(lockBackend)
	b.exec("SELECT pg_terminate_backend(" + before + ")")
	eventually(t, "the lock is held again", func() bool { now := b.value(lockBackend); return now != "" && now != before })
	close(h.free)
	b.awaitState(t, r.ID, "completed")
	if h.count() != 1 {
		t.Errorf("%d attempts", h.count())
	}
}

// lose has the session lose its lock to another connection, until that is released.
func lose(t *testing.T, b backend, url, id string) (release func()) {
	t.Helper()
	got := make(chan func(), 1)
	go func() { got <- hold(t, url, id) }()
	eventually(t, "it waits", func() bool {
		return b.value("SELECT count(*) "+hereLocked+" AND NOT granted") == "1"
	})
	b.exec("SELECT pg_terminate_backend((" + lockBackend + "))")
	return <-got
}

// TestLostLock: a session that can't have its lock back cancels its attempts, and what
// they leave is nobody's when another has the job.
func TestLostLock(t *testing.T) {
	t.Parallel()
	url := databaseURL(t)
	b := postgresOn(t, newPool(t, url))
	cause, free := make(chan error, 1), make(chan struct{})
	h := &handler{}
	h.do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
		if h.count() > 1 {
			return done(ctx, d)
		}
		<-ctx.Done()
		cause <- durable.Cause(ctx)
		<-free
		return durable.Outcome{Action: durable.Fail, Error: "late", State: []byte(`{"late":1}`)}
	}
	r := enqueue(t, b, job("task"))
	work(t, b, h)
	eventually(t, "it runs", func() bool { return h.count() == 1 })
	id := b.value("SELECT attempted_by[1] FROM river_job")

	release := lose(t, b, url, id)
	select {
	case err := <-cause:
		if !errors.Is(err, durable.ErrLost) {
			t.Errorf("the cause is %v", err)
		}
	case <-time.After(4 * time.Second):
		t.Fatal("the attempt was not canceled in time")
	}
	waiting := enqueue(t, b, job("task"))
	throughout(t, time.Second, "without its lock the session fetches nothing", func() bool { return b.state(waiting.ID) == "available" })
	b.exec("DELETE FROM river_job WHERE id = " + waiting.ID)
	b.run(r.ID, "postlude/another")
	releaseAnother := hold(t, url, "postlude/another")
	release()
	close(free)
	next := enqueue(t, b, job("task")) // which shows that the session works again
	eventually(t, "it fetches again", func() bool { return b.state(next.ID) != "available" })
	if state := b.value("SELECT state || coalesce(metadata ->> 'postlude_state', '') FROM river_job WHERE id = " + r.ID); state != "running" {
		t.Errorf("the job of another is %s", state)
	}
	releaseAnother()
}

// TestTakenAndBack: a job that was taken from a session comes back to it while the first
// attempt has not ended yet. It waits for that.
func TestTakenAndBack(t *testing.T) {
	t.Parallel()
	url := databaseURL(t)
	b := postgresOn(t, newPool(t, url))
	free := make(chan struct{})
	h := &handler{}
	h.do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
		if h.count() == 1 {
			<-ctx.Done()
			<-free
			return durable.Outcome{Action: durable.Cancel}
		}
		return done(ctx, d)
	}
	r := enqueue(t, b, job("task"))
	s := work(t, b, h)
	eventually(t, "it runs", func() bool { return h.count() == 1 })
	release := lose(t, b, url, b.value("SELECT attempted_by[1] FROM river_job"))
	b.exec("UPDATE river_job SET state = 'available' WHERE id = " + r.ID)
	release()
	eventually(t, "it was fetched, and given back for a second", func() bool {
		return b.value("SELECT state::text || (scheduled_at > now())::text FROM river_job") == "availabletrue"
	})
	if h.count() != 1 {
		t.Errorf("%d attempts at once", h.count())
	}
	close(free)
	b.awaitState(t, r.ID, "completed")
	if d := h.deliveries(); len(d) != 2 || d[1].Attempt != 2 {
		t.Errorf("%d deliveries, %+v", len(d), d[len(d)-1])
	}
	stop(t, s)
}

func TestServerGone(t *testing.T) {
	t.Parallel()
	srv := pgtest.Start(t)
	b := postgresOn(t, newPool(t, srv.URL()))
	h := newBlocker(durable.Outcome{Action: durable.Done})
	r := enqueue(t, b, job("task"))
	w := work(t, b, h.handler, func(w *durable.Worker) { w.Logger = discard })
	eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
	srv.Stop()
	ctx, cancel := context.WithTimeout(bg, 2*time.Second)
	defer cancel()
	if _, err := b.Enqueue(ctx, job("task")); err == nil || !strings.HasPrefix(err.Error(), "riverdurable: ") {
		t.Errorf("%v", err)
	}
	eventually(t, "the attempt was canceled", func() bool { return h.running.Load() == 0 })
	srv.Restart()
	close(h.free)
	b.awaitState(t, r.ID, "completed") // by a second attempt: the first asked for it
	next := enqueue(t, b, job("task"))
	b.awaitState(t, next.ID, "completed")
	stop(t, w)
}
