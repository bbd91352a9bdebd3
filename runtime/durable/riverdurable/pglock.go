package riverdurable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	errHeld   = errors.New("another session holds the lock")
	errPooler = errors.New("the connection of the lock leads to another server process than before, so there is a pooler between that shares its connections: the lock is worth nothing. Give a direct connection with LockConnection")
)

// pgLock is an advisory lock that is held for as long as a connection lives. Its methods
// are for one goroutine at a time.
type pgLock struct {
	id      string
	connect func(context.Context) (*pgx.Conn, error)
	conn    *pgx.Conn // nil if there is none
	backend int32     // the server's process of the connection
}

// settings has the server notice within about 15 s that the machine of the connection is
// gone, and never end it for being idle. Servers that don't know one of them ignore it.
const settings = `SELECT set_config(name, value, false) FROM (VALUES
('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '3'), ('tcp_keepalives_count', '3'),
('tcp_user_timeout', '15000'), ('statement_timeout', '0'), ('idle_session_timeout', '0')
) AS wanted (name, value) WHERE name IN (SELECT name FROM pg_settings)`

// take connects and takes the lock, or says errHeld.
func (l *pgLock) take(ctx context.Context) error {
	l.drop()
	conn, err := l.connect(ctx)
	if err != nil {
		return err
	}
	l.conn = conn
	if _, err := conn.Exec(ctx, settings); err != nil {
		l.drop()
		return err
	}
	var taken bool
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 0)), pg_backend_pid()`, l.id).Scan(&taken, &l.backend)
	if err == nil && !taken {
		err = errHeld
	}
	if err == nil {
		err = l.check(ctx)
	}
	if err != nil {
		l.drop()
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
	_, _ = l.conn.Exec(ctx, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", l.id)
	l.drop()
}
