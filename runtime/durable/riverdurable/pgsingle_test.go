package riverdurable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

// statements notes what is sent.
type statements struct {
	mu  sync.Mutex
	all []string
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, d.SQL)
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// TestStatementsOfEnqueue: an Enqueue waits for the database once, and once more if it
// notifies workers.
func TestStatementsOfEnqueue(t *testing.T) {
	t.Parallel()
	sent := new(statements)
	b := postgresOn(t, poolWith(t, databaseURL(t), func(c *pgxpool.Config) { c.ConnConfig.Tracer = sent }))
	enqueue(t, b, job("task")) // at first, River asks the server what it is
	for range 20 {
		sent.take()
		enqueue(t, b, job("task"))
		all := sent.take()
		if len(all) < 1 || len(all) > 2 || !strings.HasPrefix(all[0], "-- name: JobInsert") || len(all) == 2 && !strings.Contains(all[1], "pg_notify") {
			t.Fatalf("%d statements were sent:\n%s", len(all), strings.Join(all, "\n\n"))
		}
	}
}

// TestAllModes that a pool may have, and one without the cache that ours would use.
func TestAllModes(t *testing.T) {
	t.Parallel()
	url := databaseURL(t)
	type settings struct {
		mode         pgx.QueryExecMode
		descriptions int
	}
	for _, s := range []settings{
		{pgx.QueryExecModeCacheStatement, 512},
		{pgx.QueryExecModeCacheDescribe, 512},
		{pgx.QueryExecModeDescribeExec, 512},
		{pgx.QueryExecModeExec, 512},
		{pgx.QueryExecModeSimpleProtocol, 512},
		{pgx.QueryExecModeCacheStatement, 0},
	} {
		b := postgresOn(t, poolWith(t, url, func(c *pgxpool.Config) {
			c.MaxConns, c.ConnConfig.DefaultQueryExecMode, c.ConnConfig.DescriptionCacheCapacity = 4, s.mode, s.descriptions
		}))
		task := fmt.Sprint(s.mode, s.descriptions)
		for range 3 {
			r := enqueue(t, b, job(task, durable.Unique("only")))
			if got := b.value("SELECT id FROM river_job WHERE kind = $1", task); got != r.ID {
				t.Errorf("%s: stored is %q, and the receipt says %q", task, got, r.ID)
			}
		}
		finished := answer(func(context.Context, durable.Delivery) durable.Outcome { return durable.Outcome{Action: durable.Done} })
		work(t, b, finished, func(w *durable.Worker) { w.Tasks = []string{task} })
		eventually(t, task+" is completed", func() bool {
			return b.value("SELECT state FROM river_job WHERE kind = $1", task) == "completed"
		})
	}
}

// hookedConn has write look at what is sent before it is.
type hookedConn struct {
	net.Conn
	write  func(p []byte) error
	closed func()
}

func (c hookedConn) Write(p []byte) (int, error) {
	if err := c.write(p); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c hookedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// wrapped has the connections of a pool wrapped.
func wrapped(wrap func(net.Conn) net.Conn) func(*pgxpool.Config) {
	return func(c *pgxpool.Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return wrap(conn), nil
		}
	}
}

func hooked(write func(p []byte) error, closed func()) func(*pgxpool.Config) {
	return wrapped(func(conn net.Conn) net.Conn { return hookedConn{conn, write, closed} })
}

// TestNotNotified: a job that is stored is no error, even if workers can't be told.
func TestNotNotified(t *testing.T) {
	t.Parallel()
	var armed, failed atomic.Bool
	b := postgresOn(t, poolWith(t, databaseURL(t), hooked(func(p []byte) error {
		if armed.Load() && bytes.Contains(p, []byte("pg_notify")) { // when it is prepared
			failed.Store(true)
			return errors.New("the connection is lost")
		}
		return nil
	}, func() {})))
	armed.Store(true)
	for !failed.Load() { // River does so once a millisecond
		r := enqueue(t, b, job("task"))
		if got := b.value("SELECT id FROM river_job ORDER BY id DESC LIMIT 1"); got != r.ID {
			t.Fatalf("stored is %q, and the receipt says %q", got, r.ID)
		}
	}
}

// locked enqueues a job in a transaction, so that another of its key has to wait.
func (b backend) locked(t *testing.T, j durable.Job) (rollback func() error) {
	t.Helper()
	tx, _, rollback := b.begin()
	enqueue(t, inTx{b, tx}, j)
	return rollback
}

// canceledFor fails if the error is not that the server canceled the statement as ctx ended.
func canceledFor(t *testing.T, err error) {
	t.Helper()
	e := (*pgconn.PgError)(nil)
	if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Code != "57014" {
		t.Errorf("Enqueue: %v", err)
	}
}

// TestEndWhileLocked: a statement that waits for another transaction ends with the context,
// and nothing is stored. The connection, which a request to cancel may still be on its way to,
// is not used again.
func TestEndWhileLocked(t *testing.T) {
	t.Parallel()
	b := postgresBackend(t)
	j := job("task", durable.Unique("key"))
	rollback := b.locked(t, j)
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := b.Enqueue(ctx, j)
		ended <- err
	}()
	waits := func(what string) string {
		return b.value("SELECT " + what + " FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
	}
	eventually(t, "the statement waits", func() bool { return waits("count(*)") == "1" })
	server := waits("pid")
	cancel()
	canceledFor(t, <-ended)
	must(t, rollback())
	if n := b.value("SELECT count(*) FROM river_job"); n != "0" {
		t.Errorf("%s jobs are stored", n)
	}
	eventually(t, "the connection is closed", func() bool {
		return b.value("SELECT count(*) FROM pg_stat_activity WHERE pid = "+server) == "0"
	})
	enqueue(t, b, job("task"))
}

// TestEndBeforeTheServerKnows: a request to cancel that comes before the statement does nothing,
// and is repeated.
func TestEndBeforeTheServerKnows(t *testing.T) {
	t.Parallel()
	var armed atomic.Pointer[context.CancelFunc]
	asked := make(chan struct{}, 100)
	b := postgresOn(t, poolWith(t, databaseURL(t), hooked(func([]byte) error {
		if cancel := armed.Swap(nil); cancel != nil {
			(*cancel)()
			<-asked
		}
		return nil
	}, func() {
		select {
		case asked <- struct{}{}:
		default:
		}
	})))
	j := job("task", durable.Unique("key"))
	rollback := b.locked(t, j)
	enqueue(t, b, job("task")) // all is prepared
	for len(asked) > 0 {
		<-asked
	}
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	armed.Store(&cancel)
	_, err := b.Enqueue(ctx, j)
	canceledFor(t, err)
	must(t, rollback())
	if n := b.value("SELECT count(*) FROM river_job"); n != "1" {
		t.Errorf("%s jobs are stored", n)
	}
}

// deadConn takes nothing any more once it is dead, until its deadline.
type deadConn struct {
	net.Conn
	dead    *atomic.Bool
	expired context.Context
	expire  func()
}

func (c deadConn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		<-c.expired.Done()
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(p)
}

func (c deadConn) SetDeadline(at time.Time) error {
	if c.dead.Load() && at.After(time.Now()) {
		c.expire()
	}
	return c.Conn.SetDeadline(at)
}

// TestEndOfDeadServer: an Enqueue ends with its context, soon, even if nothing comes through
// to the server, neither the statement nor the request to cancel it.
func TestEndOfDeadServer(t *testing.T) {
	t.Parallel()
	var dead atomic.Bool
	again := make(chan struct{})
	b := postgresOn(t, poolWith(t, databaseURL(t), func(c *pgxpool.Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dead.Load() {
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-again:
				}
			}
			conn, err := dial(ctx, network, addr)
			expired, expire := context.WithCancel(bg)
			return deadConn{conn, &dead, expired, expire}, err
		}
	}))
	enqueue(t, b, job("task")) // all is prepared
	ctx, cancel := context.WithTimeout(bg, 10*time.Millisecond)
	defer cancel()
	dead.Store(true)
	_, err := b.Enqueue(ctx, job("task"))
	dead.Store(false)
	close(again)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Enqueue: %v", err)
	}
	if n := b.value("SELECT count(*) FROM river_job"); n != "1" {
		t.Errorf("%s jobs are stored", n)
	}
}

// TestPooler: where a request to cancel may not come through, an Enqueue is a transaction.
func TestPooler(t *testing.T) {
	t.Parallel()
	sent := new(statements)
	pool := poolWith(t, databaseURL(t), func(c *pgxpool.Config) { c.ConnConfig.Tracer = sent })
	b := postgresOn(t, pool, riverdurable.LockConnection(pool.Config().ConnConfig))
	enqueue(t, b, job("task"))
	sent.take()
	enqueue(t, b, job("task"))
	if all := sent.take(); len(all) < 3 || !strings.HasPrefix(all[0], "begin") || !strings.HasPrefix(all[len(all)-1], "commit") {
		t.Errorf("%d statements were sent:\n%s", len(all), strings.Join(all, "\n\n"))
	}
}
