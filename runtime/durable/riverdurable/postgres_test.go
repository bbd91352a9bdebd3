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

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

var discard = slog.New(slog.DiscardHandler)

// hold holds the lock of a session, as another process would.
func hold(t *testing.T, url, id string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(bg, url)
	must(t, err)
	_, err = conn.Exec(bg, "SELECT pg_advisory_lock(hashtextextended('public/' || $1, 0))", id)
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
	url := databaseURL(t)
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
	url := databaseURL(t)
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
	if got := b.value("SELECT count(*) " + hereLocked); got != "2" {
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

func TestPostgresOptions(t *testing.T) {
	t.Parallel()
	_, err := riverdurable.OpenPostgres(bg, nil, riverdurable.RelaxedSync())
	if err == nil || !strings.Contains(err.Error(), "RelaxedSync is no option of OpenPostgres") {
		t.Errorf("%v", err)
	}
	if _, err := riverdurable.OpenPostgres(bg, nil); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("%v", err)
	}
	url := databaseURL(t)
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
