package riverdurable

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/internal/pgtest"
	"github.com/postlude/postlude/runtime/durable"
)

// pipelinedPool is a pool of one connection, in the mode, with a table a.
func pipelinedPool(t *testing.T, url string, mode pgx.QueryExecMode) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns, cfg.ConnConfig.DefaultQueryExecMode = 1, mode
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(context.Background(), "CREATE TABLE IF NOT EXISTS a (n int PRIMARY KEY); TRUNCATE a"); err != nil {
		t.Fatal(err)
	}
	return pool
}

// TestPipelined: it is a transaction, in all modes that a pool may have. Each test leaves the
// one connection good for the next.
func TestPipelined(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL()
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			pool := pipelinedPool(t, url, mode)
			for name, test := range map[string]func(*testing.T, *pipelinedTx) (rows int){
				"commit": committed, "rollback": rolledBack, "nothing": unused, "query fails": queryFails, "exec fails": execFails,
			} {
				t.Run(name, func(t *testing.T) {
					ctx := context.Background()
					tx, err := beginPipelined(ctx, pool)
					if err != nil {
						t.Fatal(err)
					}
					want, got := test(t, tx), 0
					if err := errors.Join(tx.Commit(ctx), tx.Rollback(ctx)); !errors.Is(err, pgx.ErrTxClosed) {
						t.Errorf("after its end: %v", err)
					}
					if err := pool.QueryRow(ctx, "SELECT count(*) FROM a").Scan(&got); err != nil || got != want {
						t.Errorf("%d rows, %v; want %d", got, err, want)
					}
					if _, err := pool.Exec(ctx, "TRUNCATE a"); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

func insertOne(tx *pipelinedTx, n int) (got int, err error) {
	err = tx.QueryRow(context.Background(), "INSERT INTO a (n) VALUES ($1) RETURNING n", n).Scan(&got)
	return got, err
}

func insertLater(t *testing.T, tx *pipelinedTx, n int) {
	if _, err := tx.Exec(context.Background(), "INSERT INTO a (n) VALUES ($1)", n); err != nil {
		t.Error(err)
	}
}

func committed(t *testing.T, tx *pipelinedTx) int {
	if n, err := insertOne(tx, 7); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	insertLater(t, tx, 8)
	if err := tx.Commit(context.Background()); err != nil {
		t.Error(err)
	}
	return 2
}

func rolledBack(t *testing.T, tx *pipelinedTx) int {
	_, err := insertOne(tx, 7)
	insertLater(t, tx, 8)
	if err := errors.Join(err, tx.Rollback(context.Background())); err != nil {
		t.Error(err)
	}
	return 0
}

func unused(t *testing.T, tx *pipelinedTx) int {
	if err := tx.Rollback(context.Background()); err != nil {
		t.Error(err)
	}
	return 0
}

func queryFails(t *testing.T, tx *pipelinedTx) int {
	_, err := insertOne(tx, 7)
	if _, again := insertOne(tx, 7); err != nil || !isUnique(again) {
		t.Errorf("at first: %v, again: %v", err, again)
	}
	if err := tx.Rollback(context.Background()); err != nil {
		t.Error(err)
	}
	return 0
}

func execFails(t *testing.T, tx *pipelinedTx) int {
	if _, err := insertOne(tx, 7); err != nil {
		t.Error(err)
	}
	insertLater(t, tx, 7)
	if err := tx.Commit(context.Background()); !isUnique(err) {
		t.Errorf("the commit: %v", err)
	}
	return 0
}

func isUnique(err error) bool {
	e := (*pgconn.PgError)(nil)
	return errors.As(err, &e) && e.Code == "23505"
}

// TestPipelinedRest: what River's insert does not need works, or says that it doesn't.
func TestPipelinedRest(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), pipelinedPool(t, pgtest.Start(t).URL(), pgx.QueryExecModeCacheStatement)
	tx, err := beginPipelined(ctx, pool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Begin(ctx); err == nil {
		t.Error("a savepoint")
	}
	rows := pgx.CopyFromRows([][]any{{1}, {2}})
	if n, err := tx.CopyFrom(ctx, pgx.Identifier{"a"}, []string{"n"}, rows); err != nil || n != 2 {
		t.Errorf("CopyFrom: %d, %v", n, err)
	}
	batch := new(pgx.Batch)
	batch.Queue("INSERT INTO a (n) VALUES (3)")
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		t.Errorf("SendBatch: %v", err)
	}
	if _, err := tx.Prepare(ctx, "one", "SELECT 1"); err != nil {
		t.Errorf("Prepare: %v", err)
	}
	var n int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM a").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d rows, %v; want 3", n, err)
	}
	if err := tx.QueryRow(ctx, "SELECT 1 WHERE false").Scan(&n); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Error(err)
	}
	if err := tx.SendBatch(ctx, batch).Close(); !errors.Is(err, pgx.ErrTxClosed) {
		t.Errorf("after its end: %v", err)
	}
}

// trips notes what is sent at once.
type trips struct {
	mu  sync.Mutex
	all []string
}

func (s *trips) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, text)
}

func (s *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.add(d.SQL)
	return ctx
}

func (*trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	var texts []string
	for _, q := range d.Batch.QueuedQueries {
		texts = append(texts, q.SQL)
	}
	s.add(strings.Join(texts, " | "))
	return ctx
}

func (*trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// TestTrips: an Enqueue waits for the database twice.
func TestTrips(t *testing.T) {
	t.Parallel()
	ctx, sent := context.Background(), new(trips)
	cfg, err := pgxpool.ParseConfig(pgtest.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.Tracer = sent
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	e, err := OpenPostgres(ctx, pool)
	if err != nil {
		t.Fatal(err)
	}
	job := durable.Job{Task: "task", Args: []byte("{}"), Envelope: []byte("{}")}
	for range 2 { // at first, River asks the server what it is
		sent.all = nil
		if _, err := e.Enqueue(ctx, job); err != nil {
			t.Fatal(err)
		}
	}
	if len(sent.all) != 2 || !strings.HasPrefix(sent.all[0], "begin | -- name: JobInsert") || !strings.HasSuffix(sent.all[1], "commit") {
		t.Errorf("%d times was sent:\n%s", len(sent.all), strings.Join(sent.all, "\n\n"))
	}
}
