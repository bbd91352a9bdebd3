package riverdurable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"modernc.org/sqlite"
)

// openPrepared opens a database on one connection that keeps its statements.
func openPrepared(t *testing.T) *sql.DB {
	t.Helper()
	connector, err := sqlite.NewConnector(dsn(filepath.Join(t.TempDir(), "a.db"), true))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(preparing{connector})
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	run(t, db, "CREATE TABLE a (n integer PRIMARY KEY)")
	return db
}

func run(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatal(err)
	}
}

// kept returns the statements that the connection of db has kept.
func kept(t *testing.T, db *sql.DB) (texts map[string]bool) {
	t.Helper()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	texts = map[string]bool{}
	err = conn.Raw(func(c any) error {
		for text, s := range c.(*preparedConn).statements {
			texts[text] = s.busy
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestPreparedAgain: a statement is kept, works again, and after a change of the table and
// an error, too.
func TestPreparedAgain(t *testing.T) {
	db := openPrepared(t)
	const insert, all = "INSERT INTO a (n) VALUES ($1)", "SELECT * FROM a ORDER BY n"
	for n := range 3 {
		run(t, db, insert, n)
		if _, err := db.Exec(insert, n); err == nil {
			t.Error("the same key twice is no error")
		}
	}
	columns := func() (n int, names []string) {
		rows, err := db.Query(all)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		names, err = rows.Columns()
		for rows.Next() {
			n++
		}
		if err := errors.Join(err, rows.Err()); err != nil {
			t.Fatal(err)
		}
		return n, names
	}
	if n, names := columns(); n != 3 || len(names) != 1 {
		t.Errorf("%d rows of %q", n, names)
	}
	run(t, db, "ALTER TABLE a ADD COLUMN m text")
	if n, names := columns(); n != 3 || len(names) != 2 {
		t.Errorf("%d rows of %q, after a column was added", n, names)
	}
	for _, text := range []string{insert, all} {
		if busy, ok := kept(t, db)[text]; !ok || busy {
			t.Errorf("%q is kept: %v, busy: %v", text, ok, busy)
		}
	}
}

// TestPreparedInUse: a statement whose rows are open can run a second time.
func TestPreparedInUse(t *testing.T) {
	db := openPrepared(t)
	for n := range 4 {
		run(t, db, "INSERT INTO a (n) VALUES ($1)", n)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	pairs := 0
	each := func(do func()) {
		rows, err := tx.Query("SELECT n FROM a")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			do()
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	each(func() { each(func() { pairs++ }) })
	if pairs != 16 {
		t.Errorf("%d pairs of 4 rows", pairs)
	}
}

// TestPreparedBounded: texts that are made up don't fill the memory.
func TestPreparedBounded(t *testing.T) {
	db := openPrepared(t)
	for n := range maxStatements + 10 {
		run(t, db, fmt.Sprintf("INSERT INTO a (n) VALUES (%d)", n))
	}
	if n := len(kept(t, db)); n != maxStatements {
		t.Errorf("%d statements are kept, want %d", n, maxStatements)
	}
}

// TestPreparedInterrupted: a statement that a context ended works again.
func TestPreparedInterrupted(t *testing.T) {
	db := openPrepared(t)
	const long = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n < $1) SELECT count(*) FROM c"
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	var n int
	if err := db.QueryRowContext(ctx, long, 1_000_000_000).Scan(&n); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the end of the context", err)
	}
	if err := db.QueryRow(long, 10).Scan(&n); err != nil || n != 10 {
		t.Errorf("%d, %v; want 10", n, err)
	}
}
