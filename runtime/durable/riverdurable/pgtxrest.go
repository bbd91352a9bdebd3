package riverdurable

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// This file has what else belongs to a pgx.Tx. Inserting a job needs none of it; should a
// later release of River, it works, or says that it does not.

// settle sends what is pending, for what can't be a part of a batch.
func (t *pipelinedTx) settle(ctx context.Context) error {
	if t.conn == nil {
		return pgx.ErrTxClosed
	}
	if t.pending.Len() == 0 {
		return nil
	}
	return t.flush(ctx, func(results pgx.BatchResults) error {
		_, err := results.Exec()
		return cmp.Or(err, results.Close())
	})
}

// Begin is for savepoints, which there are none of.
func (*pipelinedTx) Begin(context.Context) (pgx.Tx, error) {
	return nil, errors.New("riverdurable: a pipelined transaction has no savepoints")
}

// Conn is the connection.
func (t *pipelinedTx) Conn() *pgx.Conn {
	if t.conn == nil {
		return nil
	}
	return t.conn.Conn()
}

// CopyFrom copies rows into a table.
func (t *pipelinedTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := t.settle(ctx); err != nil {
		return 0, err
	}
	return t.conn.CopyFrom(ctx, table, columns, rows)
}

// LargeObjects can't be made outside of pgx.
func (*pipelinedTx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Prepare prepares a statement.
func (t *pipelinedTx) Prepare(ctx context.Context, name, statement string) (*pgconn.StatementDescription, error) {
	if err := t.settle(ctx); err != nil {
		return nil, err
	}
	return t.conn.Conn().Prepare(ctx, name, statement)
}

// SendBatch sends a batch.
func (t *pipelinedTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.settle(ctx); err != nil {
		return failedBatch{err}
	}
	return t.conn.SendBatch(ctx, b)
}

// failedBatch was not sent.
type failedBatch struct{ err error }

// Exec fails.
func (f failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, f.err }

// Query fails.
func (f failedBatch) Query() (pgx.Rows, error) { return nil, f.err }

// QueryRow fails.
func (f failedBatch) QueryRow() pgx.Row { return oneRow{nil, f.err} }

// Close fails.
func (f failedBatch) Close() error { return f.err }
