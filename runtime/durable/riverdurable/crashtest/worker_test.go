package crashtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

var rounds = flag.Int("rounds", killed, "how often each back end is killed")

// What a worker process is told by its environment. It is this test binary.
const (
	envWorker  = "CRASHTEST_WORKER"  // sqlite or postgres
	envDB      = "CRASHTEST_DB"      // path or URL
	envLog     = "CRASHTEST_LOG"     // a line for each execution that came to its end
	envEnqueue = "CRASHTEST_ENQUEUE" // how many tasks to enqueue first
	envTakes   = "CRASHTEST_TAKES"   // how long each takes
)

func TestMain(m *testing.M) {
	if os.Getenv(envWorker) != "" {
		if err := worker(); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// atOnce is how many tasks a worker process runs at a time: 300 tasks of 200 ms then take
// a second and a half, in which it can be killed.
const atOnce = 40

// worker works tasks until SIGTERM.
func worker() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b, err := open(ctx, os.Getenv(envWorker), os.Getenv(envDB))
	if err != nil {
		return err
	}
	log, err := os.OpenFile(os.Getenv(envLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	takes, err := time.ParseDuration(os.Getenv(envTakes))
	if err != nil {
		return err
	}
	task := define(func(ctx context.Context, n int) error {
		info, _ := postlude.TaskOf(ctx)
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := b.effect(ctx, info.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(log, "%s %d %d\n", info.ID, info.Attempt, os.Getpid()) // one write, so that lines stay whole
		return err
	})
	// First all are enqueued, then it works, so that its work is what is interrupted.
	web, err := postlude.New(postlude.Config{Engine: b.Engine, EnqueueOnly: true, Logger: quiet})
	if err != nil {
		return err
	}
	if err := enqueue(web, task, os.Getenv(envEnqueue)); err != nil {
		return err
	}
	rt, err := postlude.New(postlude.Config{Engine: b.Engine, Tasks: []postlude.Definition{task}, Logger: quiet})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	// What the killed process had done and could not tell may still run again here.
	awaitEmpty(b)
	_, err = rt.Shutdown(context.Background())
	return errors.Join(err, b.close())
}

// awaitEmpty waits until no task waits or runs, for half a minute at most; what is left
// over is the test's to find.
func awaitEmpty(b *backend) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1500 {
		left := 0
		queues, err := b.Queues(context.Background())
		for _, q := range queues {
			left += q.Available + q.Scheduled + q.Retrying + q.Running
		}
		if err == nil && left == 0 {
			return
		}
		<-tick.C
	}
}

func enqueue(rt *postlude.Runtime, task *postlude.Task[int], count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := postlude.Go(rt.Context(context.Background()), task.With(i)); err != nil {
			return err
		}
	}
	return nil
}

// define defines the task. What fails for want of a database is retried.
func define(fn func(context.Context, int) error) *postlude.Task[int] {
	return postlude.Define("work", fn, postlude.Durable(),
		postlude.OnError(postlude.Retry{Max: 20, Base: 200 * time.Millisecond, Cap: 2 * time.Second}))
}

var quiet = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))

// backend is an engine, and a table of effects beside it.
type backend struct {
	durable.Engine
	effect func(ctx context.Context, task string) error // once for each task
	count  func(ctx context.Context) (n int, err error)
	close  func() error
}

const (
	createEffects = `CREATE TABLE IF NOT EXISTS effects (task TEXT PRIMARY KEY)`
	insertEffect  = `INSERT INTO effects (task) VALUES ($1) ON CONFLICT DO NOTHING`
	countEffects  = `SELECT count(*) FROM effects`
)

func open(ctx context.Context, kind, db string, opts ...riverdurable.Option) (*backend, error) {
	opts = append(opts, riverdurable.Workers(atOnce))
	if kind == "sqlite" {
		return openSQLite(ctx, db, opts)
	}
	return openPostgres(ctx, db, opts)
}

func openSQLite(ctx context.Context, path string, opts []riverdurable.Option) (*backend, error) {
	e, err := riverdurable.OpenSQLite(path, opts...)
	if err != nil {
		return nil, err
	}
	if _, err := e.DB().ExecContext(ctx, createEffects); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return &backend{
		Engine: e, close: e.Close,
		effect: func(ctx context.Context, task string) error {
			_, err := e.DB().ExecContext(ctx, insertEffect, task)
			return err
		},
		count: func(ctx context.Context) (n int, err error) {
			err = e.DB().QueryRowContext(ctx, countEffects).Scan(&n)
			return n, err
		},
	}, nil
}

func openPostgres(ctx context.Context, url string, opts []riverdurable.Option) (*backend, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	e, err := riverdurable.OpenPostgres(ctx, pool, opts...)
	if err != nil {
		pool.Close()
		return nil, err
	}
	b := &backend{
		Engine: e,
		close: func() error {
			err := e.Close()
			pool.Close()
			return err
		},
		effect: func(ctx context.Context, task string) error {
			_, err := pool.Exec(ctx, insertEffect, task)
			return err
		},
		count: func(ctx context.Context) (n int, err error) {
			err = pool.QueryRow(ctx, countEffects).Scan(&n)
			return n, err
		},
	}
	if _, err := pool.Exec(ctx, createEffects); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}
