package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	_ "modernc.org/sqlite" // the driver of raw River's database

	"github.com/postlude/postlude/runtime/durable/riverdurable"

	"github.com/postlude/postlude/benchmarks/internal/machine"
)

// sqliteFiles makes a file for each queue.
type sqliteFiles struct{ folder string }

func (sqliteFiles) name() string { return "SQLite" }

func (f sqliteFiles) about(ctx context.Context) (lines []string, err error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var version string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return nil, err
	}
	synced, err := timeOfSync(f.folder)
	if err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("SQLite %s (modernc.org/sqlite %s): WAL, synchronous=FULL, one connection; writing and syncing 4 KB takes the disk %.2f ms",
			version, machine.Version("modernc.org/sqlite"), synced.Seconds()*1000),
	}, nil
}

func (f sqliteFiles) open(ctx context.Context, v variant) (queue, error) {
	dir, err := os.MkdirTemp(f.folder, "durable-")
	if err != nil {
		return nil, err
	}
	s, err := openSQLite(ctx, filepath.Join(dir, "tasks.db"), v)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	end := s.closing
	s.closing = func() error { return errors.Join(end(), os.RemoveAll(dir)) }
	return queueOf(s, v), nil
}

func openSQLite(ctx context.Context, path string, v variant) (store[*sql.Tx], error) {
	if v.postlude {
		e, err := riverdurable.OpenSQLite(path)
		if err != nil {
			return store[*sql.Tx]{}, err
		}
		return sqliteStore(e.DB(), store[*sql.Tx]{engine: e, closing: e.Close}), nil
	}
	db, err := sql.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return store[*sql.Tx]{}, err
	}
	db.SetMaxOpenConns(sqliteConns)
	driver := riversqlite.New(db)
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: toStderr()})
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		return store[*sql.Tx]{}, errors.Join(err, db.Close())
	}
	return sqliteStore(db, store[*sql.Tx]{driver: driver, closing: db.Close}), nil
}

// sqliteStore completes s with what the database is used by, other than for the queue.
func sqliteStore(db *sql.DB, s store[*sql.Tx]) store[*sql.Tx] {
	s.exclusive = true
	s.tidy = []string{"ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"}
	s.inTx = func(ctx context.Context, do func(*sql.Tx) error) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}
	s.exec = func(ctx context.Context, statement string) error {
		_, err := db.ExecContext(ctx, statement)
		return err
	}
	s.number = func(ctx context.Context, query string) (n int, err error) {
		err = db.QueryRowContext(ctx, query).Scan(&n)
		return n, err
	}
	return s
}

// As in riverdurable's sqlite.go; a test compares.
const sqliteConns = 1

func sqliteDSN(path string) string {
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"},
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}).String()
}
