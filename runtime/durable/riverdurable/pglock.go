package riverdurable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	errHeld      = errors.New("another session holds the lock")
	errPooler    = errors.New("the connection of the lock leads to another server process than before, so there is a pooler between that shares its connections: the lock is worth nothing. Give a direct connection with LockConnection")
	errElsewhere = errors.New("LockConnection leads to another database than the pool: the lock is not seen there, and others would take the jobs. Give a direct connection to the very database of the pool")
)

const (
	evictions  = 10 // how often it is looked whether a connection of ours that was ended is gone
	evictPause = 50 * time.Millisecond
	backends   = 8 // how many of the last connections are remembered
)

// pgLock is an advisory lock that is held for as long as a connection lives. Its methods
// are for one goroutine at a time.
type pgLock struct {
	key     string // see lockKey
	connect func(context.Context) (*pgx.Conn, error)
	conn    *pgx.Conn // nil if there is none
	backend int32     // the server's process of the connection
	ours    []int32   // those of the last connections: one may linger, and hold the lock
	pooled  bool      // there is something between that answers for the server
}

// keySpace begins the keys of all sessions that share River's tables in the schema. Those of
// applications in other schemas of the database may have the same ids.
func keySpace(schema string) string { return schema + "/" }

// settings has the server notice within about 15 s that the machine of the connection is
// gone, and never end it for being idle. Servers that don't know one of them ignore it.
const settings = `SELECT set_config(name, value, false) FROM (VALUES
('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '3'), ('tcp_keepalives_count', '3'),
('tcp_user_timeout', '15000'), ('statement_timeout', '0'), ('idle_session_timeout', '0')
) AS wanted (name, value) WHERE name IN (SELECT name FROM pg_settings)`

// holders are the server's processes that have the lock of key $1. The key of a lock of 64
// bits is in two columns.
const holders = `FROM pg_locks WHERE ` + sessionLocks + ` AND ((classid::bigint << 32) | objid::bigint) = hashtextextended($1, 0)`

const sessionLocks = `locktype = 'advisory' AND granted AND objsubid = 1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// take connects and takes the lock, or says errHeld.
func (l *pgLock) take(ctx context.Context) error {
	l.drop()
	conn, err := l.connect(ctx)
	if err != nil {
		return err
	}
	l.conn = conn
	if err = l.lock(ctx); err == nil {
		err = l.check(ctx)
	}
	if err != nil {
		l.drop()
	}
	return err
}

// lock takes the lock on the connection. An earlier connection of ours that has it, because
// the server has not noticed its end, is in the way and nothing else.
func (l *pgLock) lock(ctx context.Context) error {
	if _, err := l.conn.Exec(ctx, settings); err != nil {
		return err
	}
	earlier := l.ours
	if err := l.conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&l.backend); err != nil {
		return err
	}
	l.pooled = int64(l.conn.PgConn().PID()) != int64(l.backend)
	// Before the lock is taken: the answer to that may be lost.
	l.ours = append(earlier[max(0, len(earlier)-backends+1):], l.backend)
	for range evictions {
		var taken bool
		err := l.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", l.key).Scan(&taken)
		if err != nil || taken {
			return err
		}
		ended, err := l.conn.Exec(ctx, "SELECT pg_terminate_backend(pid) "+holders+" AND pid = ANY($2)", l.key, earlier)
		if err != nil {
			return fmt.Errorf("ending an earlier connection of this process, which still holds the lock: %w", err)
		}
		if ended.RowsAffected() == 0 || !sleep(ctx, evictPause) {
			break
		}
	}
	return errHeld
}

// confirm asks on a connection of the pool's whether the lock is where the jobs are.
func (l *pgLock) confirm(ctx context.Context, db database, backend int32) error {
	var seen bool
	err := db.query(ctx, "SELECT EXISTS (SELECT 1 "+holders+" AND pid = $2)", []any{l.key, backend},
		func(scan scanner) error { return scan(&seen) })
	if err == nil && !seen {
		err = errElsewhere
	}
	return err
}

// check says whether the connection, and the lock with it, is still there.
func (l *pgLock) check(ctx context.Context) error {
	if l.conn == nil {
		return errors.New("there is no connection")
	}
	var backend int32
	if err := l.conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return err
	}
	if backend != l.backend {
		return fmt.Errorf("%w (%d, and %d before)", errPooler, backend, l.backend)
	}
	return nil
}

// drop closes the connection, whatever state it is in.
func (l *pgLock) drop() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx)
	l.conn = nil
}

// release frees the lock before the connection is closed: a server may take its time to
// notice that.
func (l *pgLock) release() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = l.conn.Exec(ctx, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", l.key)
	l.drop()
}
