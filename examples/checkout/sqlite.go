package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

// keep is how long tasks that are done stay in the queue: under load, a day's are many.
const keep = time.Hour

type sqliteStore struct {
	*riverdurable.SQLite
	temp string // the folder to remove; "" for none
}

// openSQLite opens the file at path, or one that lives as long as the process.
func openSQLite(ctx context.Context, path string) (_ store, err error) {
	s := sqliteStore{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if path == "" {
		if s.temp, err = os.MkdirTemp("", "checkout"); err != nil {
			return nil, err
		}
		path = filepath.Join(s.temp, "checkout.db")
	}
	if s.SQLite, err = riverdurable.OpenSQLite(path, riverdurable.KeepCompleted(keep)); err != nil {
		return nil, err
	}
	_, err = s.DB().ExecContext(ctx, schema)
	return s, err
}

func (s sqliteStore) Close() (err error) {
	if s.SQLite != nil {
		err = s.SQLite.Close()
	}
	if s.temp != "" {
		err = errors.Join(err, os.RemoveAll(s.temp))
	}
	return err
}

func (s sqliteStore) engine() durable.Engine { return s.SQLite }

func (s sqliteStore) ping(ctx context.Context) error { return s.DB().PingContext(ctx) }

func (s sqliteStore) placeOrder(ctx context.Context, o order, and func(context.Context) error) error {
	tx, err := s.DB().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing, after the commit
	if _, err := tx.ExecContext(ctx, insertOrder, o.ID, o.Item, o.Email); err != nil {
		return err
	}
	if err := and(durable.WithTx(ctx, tx)); err != nil {
		return err
	}
	return tx.Commit()
}

func (s sqliteStore) forget(ctx context.Context, order string) error {
	_, err := s.DB().ExecContext(ctx, deleteOrder, order)
	return err
}

func (s sqliteStore) writeInvoice(ctx context.Context, task, order string) (bool, error) {
	result, err := s.DB().ExecContext(ctx, insertInvoice, task, order)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

func (s sqliteStore) count(ctx context.Context, order string) (orders, invoices int, err error) {
	err = s.DB().QueryRowContext(ctx, countBoth, order).Scan(&orders, &invoices)
	return orders, invoices, err
}
