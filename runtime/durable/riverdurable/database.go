package riverdurable

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// database runs the few statements that are our own, with $1, $2 … for parameters.
type database interface {
	query(ctx context.Context, statement string, args []any, each func(scan scanner) error) error
	exec(ctx context.Context, statement string, args ...any) (int64, error)
	// inTx runs fn in a transaction. The executor is River's, on the same transaction.
	inTx(ctx context.Context, fn func(tx database, river riverdriver.Executor) error) error
}

// scanner is Scan of the current row.
type scanner func(into ...any) error

// sqliteDB is db, or a transaction of it.
type sqliteDB struct {
	db     *sql.DB
	driver *riversqlite.Driver
	tx     *sql.Tx // nil outside a transaction
}

func (d sqliteDB) query(ctx context.Context, statement string, args []any, each func(scanner) error) (err error) {
	query := d.db.QueryContext
	if d.tx != nil {
		query = d.tx.QueryContext
	}
	rows, err := query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d sqliteDB) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	exec := d.db.ExecContext
	if d.tx != nil {
		exec = d.tx.ExecContext
	}
	res, err := exec(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (d sqliteDB) inTx(ctx context.Context, fn func(database, riverdriver.Executor) error) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // an error after Commit
	if err := fn(sqliteDB{db: d.db, driver: d.driver, tx: tx}, d.driver.UnwrapExecutor(tx)); err != nil {
		return err
	}
	return tx.Commit()
}

// postgresDB is the pool, or a transaction of it.
type postgresDB struct {
	pool   *pgxpool.Pool
	driver *riverpgxv5.Driver
	anew   pgx.QueryExecMode // see planningAnew
	tx     pgx.Tx            // nil outside a transaction
}

// planningAnew is the mode of a pool's in which the server plans a statement each time. A plan
// that a connection keeps is for any arguments, and for the table as it was then: one that was
// made while the table was small reads all of it, until the next ANALYZE. To plan takes 0.15 ms.
func planningAnew(c *pgx.ConnConfig) pgx.QueryExecMode {
	switch {
	case c.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement: // the only one in which plans are kept
		return c.DefaultQueryExecMode
	case c.DescriptionCacheCapacity <= 0:
		return pgx.QueryExecModeDescribeExec
	default:
		return pgx.QueryExecModeCacheDescribe
	}
}

func (d postgresDB) query(ctx context.Context, statement string, args []any, each func(scanner) error) error {
	query := d.pool.Query
	if d.tx != nil {
		query = d.tx.Query
	}
	rows, err := query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d postgresDB) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	var tag pgconn.CommandTag
	var err error
	if d.tx != nil {
		tag, err = d.tx.Exec(ctx, statement, args...)
	} else {
		tag, err = d.pool.Exec(ctx, statement, args...)
	}
	return tag.RowsAffected(), err
}

func (d postgresDB) inTx(ctx context.Context, fn func(database, riverdriver.Executor) error) error {
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		return fn(postgresDB{pool: d.pool, driver: d.driver, anew: d.anew, tx: tx}, d.driver.UnwrapExecutor(tx))
	})
}
