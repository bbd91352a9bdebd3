package riverdurable

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/postlude/postlude/runtime/durable"
)

// deaf is a database's listener that hears what the test says.
type deaf struct {
	riverdriver.Listener
	says  chan heard
	waits atomic.Int32 // at a time
}

func (d *deaf) Close(context.Context) error { return nil }

func (d *deaf) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	d.waits.Add(1)
	defer d.waits.Add(-1)
	select {
	case h := <-d.says:
		return h.notification, h.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestWakingListener: River hears of wakes and of what the database says; an end of its
// context ends the wait for that, of which there is one at a time.
func TestWakingListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deaf{says: make(chan heard, 1)}
		l := &wakingListener{Listener: d, wakes: newWakes()}
		wait := func(ctx context.Context) (string, error) {
			n, err := l.WaitForNotification(ctx)
			if d.waits.Load() > 1 {
				t.Errorf("the database is listened to %d times at once", d.waits.Load())
			}
			if n == nil {
				return "", err
			}
			return n.Topic + " " + n.Payload, err
		}
		l.wakes.wake("a")
		l.wakes.wake("b")
		l.wakes.wake("a")
		began := time.Now()
		expect := func(queue string, after time.Duration) {
			t.Helper()
			got, err := wait(t.Context())
			if want := `river_insert {"queue":"` + queue + `"}`; got != want || err != nil || time.Since(began) != after {
				t.Errorf("heard %q after %s, %v", got, time.Since(began), err)
			}
		}
		expect("a", 0)
		expect("b", 0)
		l.wakes.wake("a")
		expect("a", wakePause)
		time.Sleep(time.Hour)
		l.wakes.wake("b")
		expect("b", wakePause+time.Hour)
		d.says <- heard{notification: &riverdriver.Notification{Topic: "river_control", Payload: "{}"}}
		if got, err := wait(t.Context()); got != "river_control {}" || err != nil {
			t.Errorf("heard %q, %v", got, err)
		}
		broken := errors.New("the connection is lost")
		d.says <- heard{err: broken}
		if _, err := wait(t.Context()); !errors.Is(err, broken) {
			t.Errorf("the error is %v", err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := wait(ctx)
			ended <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || d.waits.Load() != 0 {
			t.Errorf("after the end of ctx: %v, and %d waits", err, d.waits.Load())
		}
		l.wakes.wake("a") // while nobody waits
		if got, err := wait(t.Context()); got != `river_insert {"queue":"a"}` || err != nil {
			t.Errorf("heard %q, %v", got, err)
		}
		if err := l.Close(t.Context()); err != nil || d.waits.Load() != 0 {
			t.Errorf("closed, with %d waits left and %v", d.waits.Load(), err)
		}
		if _, err := wait(ctx); !errors.Is(err, context.Canceled) || d.waits.Load() != 0 {
			t.Errorf("with a ctx that has ended: %v, and %d waits", err, d.waits.Load())
		}
	})
}

// TestWakes: the sessions of a file are woken by what its engine has committed, and River takes
// the wake.
func TestWakes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e, err := OpenSQLite(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	woken := newWakes()
	watcher := &session[*sql.Tx]{guard: &guard{wakes: woken}}
	e.mu.Lock()
	e.sessions["watcher"] = watcher
	e.mu.Unlock()
	job := func(options durable.Options) durable.Job {
		return durable.Job{Task: "task", Args: []byte("{}"), Envelope: []byte(`{"v":1}`), Options: options}
	}
	enqueue := func(ctx context.Context, j durable.Job) {
		t.Helper()
		if _, err := e.Enqueue(ctx, j); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, want ...string) {
		t.Helper()
		if got := woken.take(); !slices.Equal(got, want) {
			t.Errorf("%s: the queues %q are woken, and not %q", what, got, want)
		}
	}
	enqueue(ctx, job(durable.Options{Queue: "mail", Unique: "u"}))
	expect("enqueued", "mail")
	var topic, payload string
	if err := e.DB().QueryRowContext(ctx, "SELECT topic, json_extract(payload, '$.queue') FROM river_notification").Scan(&topic, &payload); err != nil {
		t.Fatal(err)
	}
	n, err := inserted(payload)
	if err != nil || topic != n.Topic || payload != "mail" || n.Payload != `{"queue":"mail"}` {
		t.Errorf("River notifies of %s of the queue %q, and a wake is %v, %v", topic, payload, n, err)
	}
	enqueue(ctx, job(durable.Options{Queue: "mail", Unique: "u"}))
	expect("a duplicate")
	enqueue(ctx, job(durable.Options{}))
	expect("the default queue", durable.DefaultQueue)
	enqueue(ctx, job(durable.Options{At: time.Now().Add(time.Hour)}))
	expect("for later")
	enqueue(ctx, job(durable.Options{At: time.Now().Add(3 * time.Second)})) // River has it as available
	expect("for soon")
	tx, err := e.DB().BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	enqueue(durable.WithTx(ctx, tx), job(durable.Options{Queue: "mail"}))
	expect("not committed")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	delete(e.sessions, "watcher")
	e.mu.Unlock()

	s, err := e.Work(ctx, durable.Worker{Tasks: []string{"task"}, Logger: slog.New(slog.DiscardHandler), Do: func(context.Context, durable.Delivery) durable.Outcome {
		return durable.Outcome{Action: durable.Done}
	}})
	if err != nil {
		t.Fatal(err)
	}
	enqueue(ctx, job(durable.Options{Queue: "elsewhere"}))
	taken := func() bool {
		w := s.(*session[*sql.Tx]).guard.wakes
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.queues) == 0
	}
	for began := time.Now(); !taken(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("River does not hear of a job")
		}
	}
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}
