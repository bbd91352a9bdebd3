package riverdurable

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// insertSingle is River's Insert in one round trip in place of four: what River inserts with
// is one statement, and PostgreSQL needs neither BEGIN nor COMMIT for that. It is for where a
// request to cancel a statement reaches the server, see cancelAtEnd.
func insertSingle(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], args newJob, opts *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx := &singleTx{conn: conn}
	defer tx.release()
	res, err := client.InsertTx(ctx, tx, args, opts)
	if ended := ctx.Err(); err != nil && ended != nil && !errors.Is(err, ended) {
		return nil, fmt.Errorf("%w: %w", ended, err)
	}
	return res, err
}

// singleTx is to River a transaction, and to PostgreSQL one statement: what that did is there
// to stay when its rows have been read. Only the Query that River inserts with may come, and
// then an Exec, by which it notifies workers. A release of River that does more is refused: it
// would not be one transaction any more.
type singleTx struct {
	noTx
	conn    *pgxpool.Conn
	sent    bool
	spoiled bool // there may have been a request to cancel what the connection does
}

var errSingle = errors.New("riverdurable: this release of River inserts with more than one statement, and is not supported")

func (t *singleTx) release() {
	if t.spoiled { // such a request may be late, and must not meet what comes next; nor may the deadline
		_ = t.conn.Conn().Close(context.Background())
	}
	t.conn.Release()
}

// Conn is for River to look how the pool sends statements.
func (t *singleTx) Conn() *pgx.Conn { return t.conn.Conn() }

// QueryRow is before the statement: River's first insert asks what the server is.
func (t *singleTx) QueryRow(ctx context.Context, statement string, args ...any) pgx.Row {
	if t.sent {
		return noRow{}
	}
	answered := t.cancelAtEnd(ctx)
	return singleRow{t.conn.QueryRow(context.WithoutCancel(ctx), statement, args...), answered}
}

type singleRow struct {
	pgx.Row
	answered func()
}

// Scan reads the answer.
func (r singleRow) Scan(into ...any) error {
	defer r.answered()
	return r.Row.Scan(into...)
}

// Query sends the statement. The end of ctx cancels it, and does not end the wait for the
// answer, as only that tells whether the job is stored.
func (t *singleTx) Query(ctx context.Context, statement string, args ...any) (pgx.Rows, error) {
	if t.sent {
		return nil, errSingle
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.sent = true
	answered := t.cancelAtEnd(ctx)
	rows, err := t.conn.Query(context.WithoutCancel(ctx), statement, args...)
	if err != nil {
		answered()
		return nil, err
	}
	return &singleRows{Rows: rows, answered: answered}, nil
}

const (
	cancelAgain = 100 * time.Millisecond // then twice as long each time
	// answerTimeout is for a server that does not even answer a request to cancel. Whether the
	// job is stored is not known then.
	answerTimeout = 2 * time.Second
	// notifyTimeout is short, as workers look at the queue without being told, too.
	notifyTimeout = fetchPoll
)

// cancelAtEnd has the server asked to cancel the statement when ctx ends, until answered is
// called: a request that comes too early for it does nothing. One that only waits for a
// synchronous replica is stored, and says so.
func (t *singleTx) cancelAtEnd(ctx context.Context) (answered func()) {
	asking, over := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(ended)
		conn := t.conn.Conn().PgConn()
		_ = conn.Conn().SetDeadline(time.Now().Add(answerTimeout))
		for pause := cancelAgain; asking.Err() == nil; pause *= 2 {
			_ = conn.CancelRequest(asking)
			sleep(asking, pause)
		}
	})
	return sync.OnceFunc(func() {
		over()
		if !unhook() {
			<-ended
			t.spoiled = true
		}
	})
}

// Exec tells workers of the job. That they don't hear is no fault of the Enqueue: the job is
// stored, and they find it at their next look.
func (t *singleTx) Exec(ctx context.Context, statement string, args ...any) (pgconn.CommandTag, error) {
	if !t.sent {
		return pgconn.CommandTag{}, errSingle
	}
	if t.spoiled {
		return pgconn.CommandTag{}, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyTimeout)
	defer cancel()
	tag, _ := t.conn.Exec(ctx, statement, args...)
	return tag, nil
}

// singleRows are the answer.
type singleRows struct {
	pgx.Rows
	answered func()
}

// Next closes the rows after the last.
func (r *singleRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close ends the answer.
func (r *singleRows) Close() {
	r.Rows.Close()
	r.answered()
}

// noTx refuses what belongs to a pgx.Tx and River's insert does without.
type noTx struct{}

func (noTx) Begin(context.Context) (pgx.Tx, error) { return nil, errSingle }
func (noTx) Commit(context.Context) error          { return errSingle }
func (noTx) Rollback(context.Context) error        { return errSingle }
func (noTx) LargeObjects() pgx.LargeObjects        { return pgx.LargeObjects{} }

func (noTx) SendBatch(context.Context, *pgx.Batch) pgx.BatchResults { return noBatch{} }

func (noTx) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errSingle
}

func (noTx) Prepare(context.Context, string, string) (*pgconn.StatementDescription, error) {
	return nil, errSingle
}

type noRow struct{}

func (noRow) Scan(...any) error { return errSingle }

type noBatch struct{}

func (noBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, errSingle }
func (noBatch) Query() (pgx.Rows, error)         { return nil, errSingle }
func (noBatch) QueryRow() pgx.Row                { return noRow{} }
func (noBatch) Close() error                     { return errSingle }
