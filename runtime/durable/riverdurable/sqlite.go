package riverdurable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite is a durable.Engine in a file that this process alone uses.
type SQLite struct {
	*engine[*sql.Tx]
	db   *sql.DB // the engine's
	app  *sql.DB // the application's
	lock *fileLock
}

// OpenSQLite opens the file at path, and creates it if there is none. Jobs that a process
// before this one left unfinished are available again when it returns. An error names all
// that is wrong with the options; a file that another process has open is one, too.
func OpenSQLite(path string, opts ...Option) (*SQLite, error) {
	s, err := openSQLite(path, newConfig(opts))
	if err != nil {
		return nil, fmt.Errorf("riverdurable: opening %q: %w", path, err)
	}
	return s, nil
}

func openSQLite(path string, cfg config) (s *SQLite, err error) {
	if err := cfg.check(cfg.forPostgres, "OpenSQLite"); err != nil {
		return nil, err
	}
	full, err := resolve(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(full + ".lock")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.release())
		}
	}()
	connector, err := sqlite.NewConnector(dsn(full, cfg.relaxedSync))
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(preparing{connector})
	// Only one can write at a time. In SQLite those who wait try again at random, and some
	// never get their turn; for the one connection of the pool they wait in a queue.
	db.SetMaxOpenConns(1)
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	driver := riversqlite.New(db)
	if err := prepare(db, driver, cfg); err != nil {
		return nil, err
	}
	e, err := newEngine(cfg, driver, sqliteDB{db: db, driver: driver}, sqliteDialect)
	if err != nil {
		return nil, err
	}
	e.txName = "*sql.Tx of SQLite.DB"
	app, err := sql.Open("sqlite", dsn(full, cfg.relaxedSync))
	if err != nil {
		return nil, err
	}
	app.SetMaxOpenConns(appConns)
	app.SetMaxIdleConns(appConns)
	return &SQLite{engine: e, db: db, app: app, lock: lock}, nil
}

const appConns = 4

// resolve returns the one absolute path of the file, however it was reached: the lock is
// found by it.
func resolve(path string) (string, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") || strings.HasPrefix(path, "file:") {
		return "", errors.New("it must be the path of a file: tasks in memory would not be durable, and URIs are not understood")
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if target, err := filepath.EvalSymlinks(full); err == nil {
		return target, nil
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(full)) // the file is yet to be made
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, filepath.Base(full)), nil
}

// dsn escapes the path, in which SQLite would take '?', '#' and '%' for its own. Transactions
// take the write lock at their begin: one that wants it later is refused it when another
// has written since (SQLITE_BUSY), however long it would wait.
func dsn(path string, relaxed bool) string {
	synchronous := "FULL"
	if relaxed {
		synchronous = "NORMAL"
	}
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(" + synchronous + ")"},
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}).String()
}

// prepare makes the tables, and takes up what the process before this one left.
func prepare(db *sql.DB, driver *riversqlite.Driver, cfg config) error {
	ctx := context.Background()
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("its journal is in mode %q, as it could not be changed to WAL: it must be on a local disk", mode)
	}
	if err := migrate(ctx, driver, cfg.checkOnly, "`river migrate-up --database-url sqlite://…`"); err != nil {
		return err
	}
	store := store{db: sqliteDB{db: db, driver: driver}, dialect: sqliteDialect}
	return store.db.inTx(ctx, func(tx database, river riverdriver.Executor) error {
		if _, err := store.release(ctx, tx, river, "TRUE"); err != nil {
			return err
		}
		// A dead leader would keep retries and schedules waiting for 15 s.
		_, err := tx.exec(ctx, "DELETE FROM river_leader")
		return err
	})
}

// DB is the database, for transactions of the application's own that tasks are enqueued
// in, see durable.WithTx; it has connections of its own, which wait for up to 10 s to
// write. An Enqueue outside of a transaction that is open waits as long for that, and then
// fails. The engine closes it.
func (s *SQLite) DB() *sql.DB { return s.app }

// Close gives the file up. It refuses to while a runtime works on it.
func (s *SQLite) Close() error {
	if err := s.shut(); err != nil {
		return err
	}
	return errors.Join(s.app.Close(), s.db.Close(), s.lock.release())
}

func sqliteTaken(err error) bool {
	e := (*sqlite.Error)(nil)
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
}

// fileLock is a file that one process has locked.
type fileLock struct{ file *os.File }

// lockFile leaves the file where it is at the end: deleting it would let two processes
// lock two files of the same name.
func lockFile(path string) (*fileLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := tryLock(file)
	if err == nil && !locked {
		err = fmt.Errorf("%s holds it (by %s): with SQLite a single process works on the tasks; several can share PostgreSQL, see OpenPostgres", holderOf(file), path)
	}
	if err == nil {
		err = writePID(file)
	}
	if err != nil {
		_ = file.Close() // nothing was written that is needed
		return nil, err
	}
	return &fileLock{file}, nil
}

func holderOf(file *os.File) string {
	var pid int
	if _, err := fmt.Fscan(file, &pid); err != nil || pid == 0 {
		return "another process"
	}
	if pid == os.Getpid() {
		return "this process itself"
	}
	return fmt.Sprintf("process %d", pid)
}

func writePID(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintln(file, os.Getpid())
	return err
}

func (l *fileLock) release() error { return l.file.Close() }
