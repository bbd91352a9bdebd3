package riverdurable_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

func poolWith(t *testing.T, url string, change func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	must(t, err)
	change(cfg)
	pool, err := pgxpool.NewWithConfig(bg, cfg)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// throughout fails if it is not so at any time within d.
func throughout(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		if !ok() {
			t.Fatalf("not so for %v: %s", d, what)
		}
	}
}

// TestSlowConnect: the lock comes back even if making a connection takes longer than the
// server may take to answer a heartbeat.
func TestSlowConnect(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	b := postgresOn(t, poolWith(t, databaseURL(t), func(c *pgxpool.Config) {
		c.BeforeConnect = func(ctx context.Context, _ *pgx.ConnConfig) error {
			if !slow.Load() {
				return nil
			}
			select {
			case <-time.After(2200 * time.Millisecond): // and more than the first try may take
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}))
	h := newBlocker(durable.Outcome{Action: durable.Done})
	r := enqueue(t, b, job("task"))
	work(t, b, h.handler)
	eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
	slow.Store(true)
	b.exec("SELECT pg_terminate_backend((" + lockBackend + "))")
	eventuallyIn(t, 4*time.Second, "the attempt is canceled while a try is under way", func() bool { return h.running.Load() == 0 })
	close(h.free)
	b.awaitState(t, r.ID, "completed")
}

// TestBusyPool: a lock that is back is not given up because the pool is busy.
func TestBusyPool(t *testing.T) {
	t.Parallel()
	pool := poolWith(t, databaseURL(t), func(c *pgxpool.Config) { c.MaxConns = 2 })
	b := postgresOn(t, pool)
	h := newBlocker(durable.Outcome{Action: durable.Done})
	r := enqueue(t, b, job("task"))
	work(t, b, h.handler)
	eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
	c1, err := pool.Acquire(bg)
	must(t, err)
	c2, err := pool.Acquire(bg)
	must(t, err)
	_, err = c1.Exec(bg, "SELECT pg_terminate_backend(("+lockBackend+"))")
	must(t, err)
	throughout(t, 4*time.Second, "the attempt goes on", func() bool { return h.running.Load() == 1 })
	c1.Release()
	c2.Release()
	close(h.free)
	b.awaitState(t, r.ID, "completed")
	if h.count() != 1 {
		t.Errorf("%d attempts", h.count())
	}
}

// silent is a connection that loses what is written, and is never closed, from when it is cut.
type silent struct {
	net.Conn
	cut *atomic.Bool
}

func (c silent) Write(p []byte) (int, error) {
	if c.cut.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c silent) Close() error {
	if c.cut.Load() {
		return c.Conn.SetDeadline(time.Now()) // which ends who reads
	}
	return c.Conn.Close()
}

// TestLingering: the server still has the connection of the lock, and the session has lost it.
func TestLingering(t *testing.T) {
	t.Parallel()
	url := databaseURL(t)
	direct, err := pgx.ParseConfig(url)
	must(t, err)
	dial := direct.DialFunc
	var cut, working atomic.Bool
	direct.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil && working.CompareAndSwap(true, false) {
			t.Cleanup(func() { _ = conn.Close() })
			return silent{conn, &cut}, nil
		}
		return conn, err
	}
	b := postgresOn(t, newPool(t, url), riverdurable.LockConnection(direct))
	h := newBlocker(durable.Outcome{Action: durable.Done})
	r := enqueue(t, b, job("task"))
	working.Store(true) // the next connection is the one of the lock
	work(t, b, h.handler)
	eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
	before := b.value(lockBackend)
	cut.Store(true)
	eventually(t, "another connection has the lock", func() bool { now := b.value(lockBackend); return now != "" && now != before })
	close(h.free)
	b.awaitState(t, r.ID, "completed")
	if h.count() != 1 {
		t.Errorf("%d attempts", h.count())
	}
}

func TestLockElsewhere(t *testing.T) {
	t.Parallel()
	url := databaseURL(t)
	pool := newPool(t, url)
	elsewhere, err := pgx.ParseConfig(databaseURL(t))
	must(t, err)
	b := postgresOn(t, pool, riverdurable.LockConnection(elsewhere))
	_, err = b.Work(bg, durable.Worker{Tasks: []string{"task"}, Limit: 1, Do: answer(done).Do, Logger: discard})
	if err == nil || !strings.Contains(err.Error(), "LockConnection leads to another database than the pool") {
		t.Errorf("%v", err)
	}
}

// TestLedBefore: a process crashed when it led, and its next life has the same id.
func TestLedBefore(t *testing.T) {
	t.Parallel()
	b := postgresBackend(t, riverdurable.ProcessID("web-1"))
	b.exec("INSERT INTO river_leader (elected_at, expires_at, leader_id) VALUES (now(), now() + interval '1 hour', 'postlude/web-1')")
	work(t, b, answer(done))
	eventually(t, "it leads anew", func() bool {
		return b.value("SELECT count(*) FROM river_leader WHERE expires_at < now() + interval '1 minute'") == "1"
	})
}

// TestSchemas: two applications in schemas of their own have processes of the same id, and
// it is one that the key of the migration must not be mistaken for.
func TestSchemas(t *testing.T) {
	t.Parallel()
	url := databaseURL(t)
	boot := newPool(t, url)
	for _, schema := range []string{"one", "two"} {
		_, err := boot.Exec(bg, "CREATE SCHEMA "+schema)
		must(t, err)
		b := postgresOn(t, poolWith(t, url, func(c *pgxpool.Config) {
			c.ConnConfig.RuntimeParams["search_path"] = schema + ",public"
		}), riverdurable.ProcessID("migrate"))
		r := enqueue(t, b, job("task"))
		work(t, b, answer(done))
		b.awaitState(t, r.ID, "completed")
		if n := b.value("SELECT count(*) FROM " + schema + ".river_job"); n != "1" {
			t.Errorf("%s has %s jobs", schema, n)
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestForeignLeader(t *testing.T) {
	t.Parallel()
	b, log := postgresBackend(t), &syncBuffer{}
	b.exec("INSERT INTO river_leader (elected_at, expires_at, leader_id) VALUES (now(), now() + interval '1 hour', 'host_2026_09')")
	work(t, b, answer(done), func(w *durable.Worker) { w.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	eventually(t, "it is told of", func() bool { return strings.Contains(log.String(), "leader=host_2026_09") })
	throughout(t, 2500*time.Millisecond, "it is told of once", func() bool { return strings.Count(log.String(), "leader=host_2026_09") == 1 })
}

func TestProcessIDText(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"web/2", "web\x00", "web\xff"} {
		_, err := riverdurable.OpenPostgres(bg, nil, riverdurable.ProcessID(id))
		if err == nil || !strings.Contains(err.Error(), "a NUL or what is no UTF-8") {
			t.Errorf("%q: %v", id, err)
		}
	}
}
