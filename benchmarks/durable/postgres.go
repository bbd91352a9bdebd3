package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/postlude/postlude/runtime/durable/riverdurable"

	"github.com/postlude/postlude/benchmarks/internal/machine"
)

// postgresServer makes a database for each queue.
type postgresServer struct {
	url  string // of a database that others can be created from
	made atomic.Int64
}

// postgresConns is the size of the pool, the same for all: above the goroutines that
// enqueue and the connections that working takes.
const postgresConns = 16

func (*postgresServer) name() string { return "PostgreSQL" }

// connected calls do with a connection to the first database.
func (p *postgresServer) connected(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, p.url)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close(ctx))
}

func (p *postgresServer) about(ctx context.Context) ([]string, error) {
	var version, fsync, commit, buffers string
	err := p.connected(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'),
			current_setting('synchronous_commit'), current_setting('shared_buffers')`).Scan(&version, &fsync, &commit, &buffers)
	})
	note := ""
	if fsync == "off" {
		note = "; so commits don't wait for the disk, and what Postlude adds counts for more than in production"
	}
	return []string{fmt.Sprintf("PostgreSQL %s (pgx %s, %d connections at most): fsync=%s, synchronous_commit=%s, shared_buffers=%s%s",
		version, machine.Version("github.com/jackc/pgx/v5"), postgresConns, fsync, commit, buffers, note)}, err
}

func (p *postgresServer) open(ctx context.Context, v variant) (queue, error) {
	at, drop, err := p.create(ctx)
	if err != nil {
		return nil, err
	}
	s, err := openPostgres(ctx, at, v)
	if err != nil {
		return nil, errors.Join(err, drop())
	}
	end := s.closing
	s.closing = func() error { return errors.Join(end(), drop()) }
	return queueOf(s, v), nil
}

// create makes an empty database.
func (p *postgresServer) create(ctx context.Context) (at string, drop func() error, err error) {
	u, err := url.Parse(p.url)
	if err != nil {
		return "", nil, err
	}
	name := fmt.Sprintf("durable_%d_%d", os.Getpid(), p.made.Add(1))
	u.Path = "/" + name
	run := func(ctx context.Context, statement string) error {
		return p.connected(ctx, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, statement)
			return err
		})
	}
	drop = func() error { return run(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)") }
	return u.String(), drop, run(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
}

func openPostgres(ctx context.Context, at string, v variant) (store[pgx.Tx], error) {
	config, err := pgxpool.ParseConfig(at)
	if err != nil {
		return store[pgx.Tx]{}, err
	}
	config.MaxConns = postgresConns
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return store[pgx.Tx]{}, err
	}
	s := postgresStore(pool)
	if v.postlude {
		var e *riverdurable.Postgres
		if e, err = riverdurable.OpenPostgres(ctx, pool); err == nil {
			s.engine = e
			s.closing = func() error { defer pool.Close(); return e.Close() }
		}
	} else {
		driver := riverpgxv5.New(pool)
		s.driver = driver
		var m *rivermigrate.Migrator[pgx.Tx]
		if m, err = rivermigrate.New(driver, &rivermigrate.Config{Logger: toStderr()}); err == nil {
			_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		}
	}
	if err != nil {
		pool.Close()
	}
	return s, err
}

func postgresStore(pool *pgxpool.Pool) store[pgx.Tx] {
	return store[pgx.Tx]{
		tidy: []string{"VACUUM ANALYZE river_job", "CHECKPOINT"},
		inTx: func(ctx context.Context, do func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, pool, do) },
		exec: func(ctx context.Context, statement string) error {
			_, err := pool.Exec(ctx, statement)
			return err
		},
		number: func(ctx context.Context, query string) (n int, err error) {
			err = pool.QueryRow(ctx, query).Scan(&n)
			return n, err
		},
		closing: func() error { pool.Close(); return nil },
	}
}
