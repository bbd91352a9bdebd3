package riverdurable_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postlude/postlude/internal/pgtest"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

var discard = slog.New(slog.DiscardHandler)

// hold holds the lock of a session, as another process would.
func hold(t *testing.T, url, id string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(bg, url)
	must(t, err)
	_, err = conn.Exec(bg, "SELECT pg_advisory_lock(hashtextextended($1, 0))", id)
	must(t, err)
	var once sync.Once
	release = func() { once.Do(func() { must(t, conn.Close(bg)) }) }
	t.Cleanup(release)
	return release
}

// run makes a job look as if the session worked on it.
func (b backend) run(id, session string) {
	b.exec("UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = ARRAY['earlier', '" + session + "'] WHERE id = " + id)
}

func TestDeadSession(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL()
	b := postgresOn(t, newPool(t, url), riverdurable.LivenessGrace(4*time.Second))
	dead, alive, foreign, canceled := enqueue(t, b, job("task")), enqueue(t, b, job("task")), enqueue(t, b, job("task")), enqueue(t, b, job("task"))
	b.run(dead.ID, "postlude/dead")
	b.run(canceled.ID, "postlude/dead")
	b.exec(`UPDATE river_job SET metadata = metadata || '{"cancel_attempted_at": "now"}' WHERE id = ` + canceled.ID)
	b.run(alive.ID, "postlude/alive")
	b.run(foreign.ID, "somebody else")
	b.exec("INSERT INTO river_leader (elected_at, expires_at, leader_id) VALUES (now(), now() + interval '1 hour', 'postlude/dead')")
	release := hold(t, url, "postlude/alive")

	h, begin := answer(done), time.Now()
	work(t, b, h)
	b.awaitState(t, dead.ID, "completed")
	if took := time.Since(begin); took < 4*time.Second || took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	if d := h.deliveries()[0]; d.Attempt != 2 {
		t.Errorf("the attempt is %d", d.Attempt)
	}
	b.awaitState(t, canceled.ID, "cancelled")
	eventually(t, "there is another leader", func() bool {
		return !strings.Contains("postlude/dead", b.value("SELECT leader_id FROM river_leader"))
	})
	if got := b.state(alive.ID); got != "running" {
		t.Errorf("the job of the living is %s", got)
	}
	release()
	b.awaitState(t, alive.ID, "completed")
	if got := b.state(foreign.ID); got != "running" {
		t.Errorf("the job of another River client is %s", got)
	}
}

func TestProcessID(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL()
	b := postgresOn(t, newPool(t, url), riverdurable.ProcessID("web-1"))
	r := enqueue(t, b, job("task"))
	b.run(r.ID, "postlude/web-1")
	begin := time.Now()
	work(t, b, answer(done))
	b.awaitState(t, r.ID, "completed")
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("its own jobs waited %v", took)
	}
	work(t, b, answer(done)) // a second session of the same process
	if got := b.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"); got != "2" {
		t.Errorf("%s locks", got)
	}

	other := postgresOn(t, newPool(t, url), riverdurable.ProcessID("web-1"))
	w := durable.Worker{Do: done, Logger: discard, Limit: 1}
	ctx, cancel := context.WithTimeout(bg, time.Second)
	defer cancel()
	if _, err := other.Work(ctx, w); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that ends: %v", err)
	}
	if _, err := other.Work(bg, w); err == nil || !strings.Contains(err.Error(), `"postlude/web-1"`) {
		t.Errorf("a second process of this id: %v", err)
	}
}

// lockBackend is the server's process of the only session's lock.
const lockBackend = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"

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

// TestLostLock: a session that can't have its lock back cancels its attempts, and what
// they leave is nobody's when another has the job.
func TestLostLock(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL()
	b := postgresOn(t, newPool(t, url))
	cause, free := make(chan error, 1), make(chan struct{})
	h := &handler{}
	h.do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
		if h.count() > 1 {
			return done(ctx, d)
		}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		<-free
		return durable.Outcome{Action: durable.Fail, Error: "late", State: []byte(`{"late":1}`)}
	}
	r := enqueue(t, b, job("task"))
	work(t, b, h)
	eventually(t, "it runs", func() bool { return h.count() == 1 })
	id := b.value("SELECT attempted_by[1] FROM river_job")

	// Another connection waits for the lock, and has it when the session has lost it.
	got := make(chan func(), 1)
	go func() { got <- hold(t, url, id) }()
	eventually(t, "it waits", func() bool {
		return b.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "1"
	})
	b.exec("SELECT pg_terminate_backend((" + lockBackend + "))")
	release := <-got
	select {
	case err := <-cause:
		if !errors.Is(err, durable.ErrLost) {
			t.Errorf("the cause is %v", err)
		}
	case <-time.After(4 * time.Second):
		t.Fatal("the attempt was not canceled in time")
	}
	waiting := enqueue(t, b, job("task"))
	time.Sleep(time.Second) // time to fetch, which it must not do
	if state := b.state(waiting.ID); state != "available" {
		t.Errorf("without its lock the session made a job %s", state)
	}
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
	if _, err := b.Enqueue(ctx, job("task")); err == nil || !strings.Contains(err.Error(), `enqueueing task "task"`) {
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

func TestPostgresOptions(t *testing.T) {
	t.Parallel()
	_, err := riverdurable.OpenPostgres(bg, nil, riverdurable.RelaxedSync())
	if err == nil || !strings.Contains(err.Error(), "RelaxedSync is no option of OpenPostgres") {
		t.Errorf("%v", err)
	}
	if _, err := riverdurable.OpenPostgres(bg, nil); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("%v", err)
	}
	url := pgtest.Start(t).URL()
	if _, err := riverdurable.OpenPostgres(bg, newPool(t, url), riverdurable.CheckOnly()); err == nil || !strings.Contains(err.Error(), "river migrate-up") {
		t.Errorf("%v", err)
	}
	var wg sync.WaitGroup
	for range 4 { // processes that start together
		wg.Go(func() {
			e, err := riverdurable.OpenPostgres(bg, newPool(t, url))
			if err != nil {
				t.Error(err)
				return
			}
			must(t, e.Close())
		})
	}
	wg.Wait()
	direct, err := pgx.ParseConfig(url)
	must(t, err)
	b := postgresOn(t, newPool(t, url), riverdurable.LockConnection(direct))
	r := enqueue(t, b, job("task"))
	work(t, b, answer(done))
	b.awaitState(t, r.ID, "completed")
}
