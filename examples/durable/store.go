package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

// store is where orders and invoices are: in the database of the queue, as that is what
// lets one transaction span both.
type store interface {
	// placeOrder stores an order, and calls and in the same transaction.
	placeOrder(ctx context.Context, order string, and func(context.Context) error) error
	// writeInvoice reports false if the task has written it before.
	writeInvoice(ctx context.Context, task, order string) (first bool, err error)
	invoices(ctx context.Context, order string) (n int, err error)
	engine() durable.Engine
	Close() error
}

const (
	schema = `CREATE TABLE IF NOT EXISTS orders (id TEXT NOT NULL);
		CREATE TABLE IF NOT EXISTS invoices (task_id TEXT PRIMARY KEY, order_id TEXT NOT NULL)`
	insertOrder   = `INSERT INTO orders (id) VALUES ($1)`
	insertInvoice = `INSERT INTO invoices (task_id, order_id) VALUES ($1, $2) ON CONFLICT (task_id) DO NOTHING`
	countInvoices = `SELECT count(*) FROM invoices WHERE order_id = $1`
)

func open(ctx context.Context, cfg config) (store, error) {
	if cfg.postgres != "" {
		return openPostgres(ctx, cfg.postgres)
	}
	return openSQLite(ctx, cfg.sqlite)
}

type sqliteStore struct{ *riverdurable.SQLite }

func openSQLite(ctx context.Context, path string) (store, error) {
	e, err := riverdurable.OpenSQLite(path)
	if err != nil {
		return nil, err
	}
	if _, err := e.DB().ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return sqliteStore{e}, nil
}

func (s sqliteStore) engine() durable.Engine { return s.SQLite }

func (s sqliteStore) placeOrder(ctx context.Context, order string, and func(context.Context) error) error {
	tx, err := s.DB().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing, after the commit
	if _, err := tx.ExecContext(ctx, insertOrder, order); err != nil {
		return err
	}
	if err := and(durable.WithTx(ctx, tx)); err != nil {
		return err
	}
	return tx.Commit()
}

func (s sqliteStore) writeInvoice(ctx context.Context, task, order string) (bool, error) {
	result, err := s.DB().ExecContext(ctx, insertInvoice, task, order)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

func (s sqliteStore) invoices(ctx context.Context, order string) (n int, err error) {
	err = s.DB().QueryRowContext(ctx, countInvoices, order).Scan(&n)
	return n, err
}

type postgresStore struct {
	*riverdurable.Postgres
	pool *pgxpool.Pool
}

func openPostgres(ctx context.Context, url string) (store, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	e, err := riverdurable.OpenPostgres(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s := postgresStore{e, pool}
	if err := createTables(ctx, pool); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// createTables has processes that start at the same time come one by one, as IF NOT EXISTS
// is no help then. Statements that are sent together are one transaction.
func createTables(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('shop', 0));"+schema)
	return err
}

func (s postgresStore) engine() durable.Engine { return s.Postgres }

func (s postgresStore) Close() error {
	err := s.Postgres.Close()
	s.pool.Close()
	return err
}

func (s postgresStore) placeOrder(ctx context.Context, order string, and func(context.Context) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertOrder, order); err != nil {
			return err
		}
		return and(durable.WithTx(ctx, tx))
	})
}

func (s postgresStore) writeInvoice(ctx context.Context, task, order string) (bool, error) {
	tag, err := s.pool.Exec(ctx, insertInvoice, task, order)
	return tag.RowsAffected() == 1, err
}

func (s postgresStore) invoices(ctx context.Context, order string) (n int, err error) {
	err = s.pool.QueryRow(ctx, countInvoices, order).Scan(&n)
	return n, err
}
