package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

type postgresStore struct {
	*riverdurable.Postgres
	pool *pgxpool.Pool
}

func openPostgres(ctx context.Context, url string) (store, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	e, err := riverdurable.OpenPostgres(ctx, pool, riverdurable.KeepCompleted(keep))
	if err != nil {
		pool.Close()
		return nil, err
	}
	s := postgresStore{e, pool}
	if _, err := pool.Exec(ctx, schema); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s postgresStore) Close() error {
	err := s.Postgres.Close()
	s.pool.Close()
	return err
}

func (s postgresStore) engine() durable.Engine { return s.Postgres }

func (s postgresStore) ping(ctx context.Context) error { return s.pool.Ping(ctx) }

func (s postgresStore) placeOrder(ctx context.Context, o order, and func(context.Context) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertOrder, o.ID, o.Item, o.Email); err != nil {
			return err
		}
		return and(durable.WithTx(ctx, tx))
	})
}

func (s postgresStore) forget(ctx context.Context, order string) error {
	_, err := s.pool.Exec(ctx, deleteOrder, order)
	return err
}

func (s postgresStore) writeInvoice(ctx context.Context, task, order string) (bool, error) {
	tag, err := s.pool.Exec(ctx, insertInvoice, task, order)
	return tag.RowsAffected() == 1, err
}

func (s postgresStore) count(ctx context.Context, order string) (orders, invoices int, err error) {
	err = s.pool.QueryRow(ctx, countBoth, order).Scan(&orders, &invoices)
	return orders, invoices, err
}
