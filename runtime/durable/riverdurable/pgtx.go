package riverdurable

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pipelinedTx is a transaction that waits for the database as seldom as it can: what has no
// result that is needed at once is sent along with what comes next. River's insert is
// BEGIN, INSERT, NOTIFY and COMMIT, and here two round trips in place of four. Exec returns
// before its statement has run, and the next one that does has its error: Commit at last.
type pipelinedTx struct {
	conn    *pgxpool.Conn // nil: it is over
	pending *pgx.Batch
	begun   bool // the database may have heard of it
}

func beginPipelined(ctx context.Context, pool *pgxpool.Pool) (*pipelinedTx, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx := &pipelinedTx{conn: conn, pending: new(pgx.Batch)}
	tx.pending.Queue("begin")
	return tx, nil
}

// flush sends what is pending, and has read return the result of the last of it. The
// results before are looked at for their errors.
func (t *pipelinedTx) flush(ctx context.Context, read func(pgx.BatchResults) error) error {
	batch := t.pending
	t.pending, t.begun = new(pgx.Batch), true
	results := t.conn.SendBatch(ctx, batch)
	for range batch.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // it repeats the error
			return err
		}
	}
	return read(results)
}

// Commit sends the rest. A commit of what has failed is a rollback.
func (t *pipelinedTx) Commit(ctx context.Context) error {
	if t.conn == nil {
		return pgx.ErrTxClosed
	}
	defer t.release()
	t.pending.Queue("commit")
	return t.flush(ctx, func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		if err = cmp.Or(err, results.Close()); err == nil && tag.String() != "COMMIT" {
			err = pgx.ErrTxCommitRollback
		}
		return err
	})
}

// Rollback ends it. A connection on which that fails is closed, which does the same.
func (t *pipelinedTx) Rollback(ctx context.Context) error {
	if t.conn == nil {
		return pgx.ErrTxClosed
	}
	defer t.release()
	if !t.begun {
		return nil
	}
	_, err := t.conn.Exec(ctx, "rollback")
	if err != nil {
		_ = t.conn.Conn().Close(ctx)
	}
	return err
}

// release has the pool close a connection that is still in a transaction.
func (t *pipelinedTx) release() {
	t.conn.Release()
	t.conn = nil
}

// Exec has the statement sent with the next.
func (t *pipelinedTx) Exec(_ context.Context, statement string, args ...any) (pgconn.CommandTag, error) {
	if t.conn == nil {
		return pgconn.CommandTag{}, pgx.ErrTxClosed
	}
	t.pending.Queue(statement, args...)
	return pgconn.CommandTag{}, nil
}

// Query sends the statement, and all before it.
func (t *pipelinedTx) Query(ctx context.Context, statement string, args ...any) (rows pgx.Rows, err error) {
	if t.conn == nil {
		return nil, pgx.ErrTxClosed
	}
	t.pending.Queue(statement, args...)
	err = t.flush(ctx, func(results pgx.BatchResults) error {
		of, err := results.Query()
		rows = &batchRows{Rows: of, results: results}
		return err
	})
	if err != nil {
		if rows != nil {
			rows.Close()
		}
		return nil, err
	}
	return rows, nil
}

// QueryRow sends the statement, and all before it.
func (t *pipelinedTx) QueryRow(ctx context.Context, statement string, args ...any) pgx.Row {
	rows, err := t.Query(ctx, statement, args...)
	return oneRow{rows, err}
}

// batchRows are the last of a batch, which ends with them.
type batchRows struct {
	pgx.Rows
	results pgx.BatchResults
	ended   error
}

// Next ends the batch after the last row, as its errors are to be known then.
func (r *batchRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close ends the rows and the batch.
func (r *batchRows) Close() {
	r.Rows.Close()
	if r.results != nil {
		r.ended = r.results.Close()
		r.results = nil
	}
}

// Err is what the rows or their batch failed with.
func (r *batchRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.ended
}

// oneRow is the first of the rows.
type oneRow struct {
	rows pgx.Rows
	err  error
}

// Scan reads the row, and closes the rows.
func (r oneRow) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		r.rows.Close()
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
