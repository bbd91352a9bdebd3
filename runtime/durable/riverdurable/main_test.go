package riverdurable_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

// backend is an engine with ways around it.
type backend struct {
	durable.Engine
	// exec runs SQL on River's tables; rows in the other form of parameters are for its caller.
	exec func(statement string, args ...any)
	// value returns the one value that the statement selects, as a text.
	value func(statement string, args ...any) string
	// begin begins a transaction for durable.WithTx.
	begin func() (tx any, commit, rollback func() error)
	isPG  bool
}

// each runs the test on both databases.
func each(t *testing.T, opts []riverdurable.Option, test func(t *testing.T, b backend)) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); test(t, sqliteBackend(t, opts...)) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); test(t, postgresBackend(t, opts...)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sqliteBackend(t *testing.T, opts ...riverdurable.Option) backend {
	e, err := riverdurable.OpenSQLite(filepath.Join(t.TempDir(), "tasks.db"), opts...)
	must(t, err)
	t.Cleanup(func() { must(t, e.Close()) })
	return backend{
		Engine: e,
		exec: func(statement string, args ...any) {
			t.Helper()
			_, err := e.DB().Exec(statement, args...)
			must(t, err)
		},
		value: func(statement string, args ...any) string {
			t.Helper()
			var v sql.NullString
			must(t, e.DB().QueryRow(statement, args...).Scan(&v))
			return v.String
		},
		begin: func() (any, func() error, func() error) {
			tx, err := e.DB().Begin()
			must(t, err)
			return tx, tx.Commit, tx.Rollback
		},
	}
}

func newPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), url)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func postgresBackend(t *testing.T, opts ...riverdurable.Option) backend {
	return postgresOn(t, newPool(t, databaseURL(t)), opts...)
}

func postgresOn(t *testing.T, pool *pgxpool.Pool, opts ...riverdurable.Option) backend {
	ctx := context.Background()
	e, err := riverdurable.OpenPostgres(ctx, pool, opts...)
	must(t, err)
	t.Cleanup(func() { must(t, e.Close()) })
	return backend{
		Engine: e, isPG: true,
		exec: func(statement string, args ...any) {
			t.Helper()
			_, err := pool.Exec(ctx, statement, args...)
			must(t, err)
		},
		value: func(statement string, args ...any) string {
			t.Helper()
			var v *string
			must(t, pool.QueryRow(ctx, "SELECT CAST(("+statement+") AS text)", args...).Scan(&v))
			if v == nil {
				return ""
			}
			return *v
		},
		begin: func() (any, func() error, func() error) {
			tx, err := pool.Begin(ctx)
			must(t, err)
			return tx, func() error { return tx.Commit(ctx) }, func() error { return tx.Rollback(ctx) }
		},
	}
}

// handler answers deliveries, and keeps them.
type handler struct {
	mu   sync.Mutex
	seen []durable.Delivery
	do   func(ctx context.Context, d durable.Delivery) durable.Outcome
}

func answer(do func(ctx context.Context, d durable.Delivery) durable.Outcome) *handler {
	return &handler{do: do}
}

func (h *handler) Do(ctx context.Context, d durable.Delivery) durable.Outcome {
	h.mu.Lock()
	h.seen = append(h.seen, d)
	h.mu.Unlock()
	return h.do(ctx, d)
}

func (h *handler) deliveries() []durable.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]durable.Delivery(nil), h.seen...)
}

func (h *handler) count() int { return len(h.deliveries()) }

func done(context.Context, durable.Delivery) durable.Outcome {
	return durable.Outcome{Action: durable.Done}
}

// work begins a session that the end of the test stops.
func work(t *testing.T, e durable.Engine, h *handler, change ...func(*durable.Worker)) durable.Session {
	t.Helper()
	w := durable.Worker{
		Tasks: []string{"task"}, Limit: 50, Do: h.Do,
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, c := range change {
		c(&w)
	}
	s, err := e.Work(context.Background(), w)
	must(t, err)
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s durable.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must(t, s.Stop(ctx))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

func job(task string, change ...durable.Option) durable.Job {
	return durable.Job{
		Task: task, Args: json.RawMessage(`{"order":17}`), Envelope: json.RawMessage(`{"v":1,"id":"x"}`),
		Options: durable.Options{}.With(change...),
	}
}

func enqueue(t *testing.T, e durable.Engine, j durable.Job) durable.Receipt {
	t.Helper()
	r, err := e.Enqueue(context.Background(), j)
	must(t, err)
	return r
}

// eventually waits for what takes a moment.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	eventuallyIn(t, 15*time.Second, what, ok)
}

func eventuallyIn(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func (b backend) state(id string) string {
	return b.value("SELECT state FROM river_job WHERE id = " + id)
}

func (b backend) awaitState(t *testing.T, id, state string) {
	t.Helper()
	eventually(t, "job "+id+" is "+state, func() bool { return b.state(id) == state })
}
