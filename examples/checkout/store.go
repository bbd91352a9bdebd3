package main

import (
	"context"

	"github.com/postlude/postlude/runtime/durable"
)

// store is where orders and invoices are: in the database of the durable queue, as that
// lets one transaction span both.
type store interface {
	// placeOrder stores an order, and calls and in the same transaction.
	placeOrder(ctx context.Context, o order, and func(context.Context) error) error
	forget(ctx context.Context, order string) error
	// writeInvoice reports false if the task has written it before, or there is no such order.
	writeInvoice(ctx context.Context, task, order string) (written bool, err error)
	count(ctx context.Context, order string) (orders, invoices int, err error)
	ping(ctx context.Context) error
	engine() durable.Engine
	Close() error
}

// No card is stored.
const (
	schema = `CREATE TABLE IF NOT EXISTS checkout_orders (id TEXT PRIMARY KEY, item TEXT NOT NULL, email TEXT NOT NULL);
		CREATE TABLE IF NOT EXISTS checkout_invoices (task_id TEXT PRIMARY KEY, order_id TEXT NOT NULL);
		CREATE INDEX IF NOT EXISTS checkout_invoices_order ON checkout_invoices (order_id)`
	insertOrder   = `INSERT INTO checkout_orders (id, item, email) VALUES ($1, $2, $3)`
	deleteOrder   = `DELETE FROM checkout_orders WHERE id = $1`
	insertInvoice = `INSERT INTO checkout_invoices (task_id, order_id)
		SELECT CAST($1 AS TEXT), id FROM checkout_orders WHERE id = $2 ON CONFLICT (task_id) DO NOTHING`
	countBoth = `SELECT (SELECT count(*) FROM checkout_orders WHERE id = $1),
		(SELECT count(*) FROM checkout_invoices WHERE order_id = $1)`
)

func open(ctx context.Context, cfg config) (store, error) {
	if cfg.postgres != "" {
		return openPostgres(ctx, cfg.postgres)
	}
	return openSQLite(ctx, cfg.sqlite)
}
