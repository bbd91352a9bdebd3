package riverdurable

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
)

// Postgres is a durable.Engine in a PostgreSQL database that several processes may share.
type Postgres struct {
	*engine[pgx.Tx]
}

// OpenPostgres uses the database of the pool, which stays the caller's to close, after the
// engine. A process that works takes a few connections from it at a time, keeps one to be
// notified, and makes one of its own for its lock. An error names all that is wrong
// with the options.
func OpenPostgres(ctx context.Context, pool *pgxpool.Pool, opts ...Option) (*Postgres, error) {
	p, err := openPostgres(ctx, pool, newConfig(opts))
	if err != nil {
		return nil, fmt.Errorf("riverdurable: opening the PostgreSQL database: %w", err)
	}
	return p, nil
}

func openPostgres(ctx context.Context, pool *pgxpool.Pool, cfg config) (*Postgres, error) {
	if err := cfg.check(cfg.forSQLite, "OpenPostgres"); err != nil {
		return nil, err
	}
	if pool == nil {
		return nil, errors.New("the pool is nil")
	}
	driver, connect := riverpgxv5.New(pool), connector(pool, cfg.lockConn)
	if err := migratePostgres(ctx, driver, connect, cfg.checkOnly); err != nil {
		return nil, err
	}
	var schema string
	if err := pool.QueryRow(ctx, schemaOfTables).Scan(&schema); err != nil {
		return nil, fmt.Errorf("finding the schema of River's tables: %w", err)
	}
	db := postgresDB{pool: pool, driver: driver, anew: planningAnew(pool.Config().ConnConfig)}
	e, err := newEngine(cfg, driver, db, postgresDialect)
	if err != nil {
		return nil, err
	}
	e.txName, e.refuseNUL = "pgx.Tx", true
	if cfg.lockConn == nil { // the pool leads to the server, not to a pooler
		e.insert = func(ctx context.Context, args newJob, opts *river.InsertOpts) (*rivertype.JobInsertResult, error) {
			return insertSingle(ctx, pool, e.client, args, opts)
		}
	}
	p := &Postgres{e}
	e.claim = func(ctx context.Context, s *session[pgx.Tx]) (claim, error) {
		return claimPostgres(ctx, s, locking{connect: connect, keys: keySpace(schema)})
	}
	return p, nil
}

// schemaOfTables is where the search_path leads to. It need not be current_schema(), which
// another role that shares the tables may have another of.
const schemaOfTables = `SELECT nspname FROM pg_namespace JOIN pg_class ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = to_regclass('river_job')`

// Close ends the use of the pool. It refuses to while a runtime works on it.
func (p *Postgres) Close() error { return p.shut() }

// connector returns what makes the connections that locks are held on: as the pool makes
// its own, with the credentials that BeforeConnect may set.
func connector(pool *pgxpool.Pool, direct *pgx.ConnConfig) func(context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		if direct != nil {
			return pgx.ConnectConfig(ctx, direct.Copy())
		}
		poolConfig := pool.Config() // a copy
		if poolConfig.BeforeConnect != nil {
			if err := poolConfig.BeforeConnect(ctx, poolConfig.ConnConfig); err != nil {
				return nil, err
			}
		}
		return pgx.ConnectConfig(ctx, poolConfig.ConnConfig)
	}
}

// migrateKey is the key of no session: those begin with a schema, and go on with idPrefix.
const migrateKey = "postlude migrate"

// migratePostgres has the processes that start at the same time migrate one by one.
func migratePostgres(ctx context.Context, driver *riverpgxv5.Driver, connect func(context.Context) (*pgx.Conn, error), checkOnly bool) error {
	const hint = "`river migrate-up --database-url postgres://…`"
	if err := migrate(ctx, driver, true, hint); err == nil || checkOnly {
		return err
	}
	conn, err := connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // which frees the lock
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", migrateKey); err != nil {
		return err
	}
	return migrate(ctx, driver, false, hint)
}

// idPrefix begins the ids of our River clients. Rows of others are left alone.
const idPrefix = "postlude/"

// madeUpID is unique, and tells an operator whose it is.
func madeUpID() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%.40s/%d/%08x", host, os.Getpid(), rand.Uint32())
}

func postgresTaken(err error) bool {
	e := (*pgconn.PgError)(nil)
	return errors.As(err, &e) && e.Code == "23505" // unique_violation
}
