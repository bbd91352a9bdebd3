package riverdurable

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"

	"github.com/postlude/postlude/internal/pgtest"
)

// newTables is a database with River's tables and nothing in them.
func newTables(t *testing.T, conns int32) postgresDB {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(pgtest.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = conns
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	p, err := OpenPostgres(context.Background(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return p.store.db.(postgresDB)
}

// fill inserts rows that run, or are available, of attempts 0 to 2.
func (d postgresDB) fill(t *testing.T, rows int, state string) {
	t.Helper()
	_, err := d.exec(context.Background(), `INSERT INTO river_job (args, kind, max_attempts, state, attempt, attempted_by)
SELECT '{}', 'task', 9, $1::river_job_state, n % 3, '{earlier,me}' FROM generate_series(1, $2::int) n`, state, rows)
	if err != nil {
		t.Fatal(err)
	}
}

// column is the one column of a query's rows.
func column[T any](t *testing.T, d postgresDB, query string, args ...any) (all []T) {
	t.Helper()
	err := d.query(context.Background(), query, args, func(scan scanner) error {
		var v T
		err := scan(&v)
		all = append(all, v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPlans: no plan is kept, and one that is made when the statistics know of no rows that run
// reads no more than the rows in question.
func TestPlans(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), newTables(t, 1)
	fetch := &riverdriver.JobGetAvailableParams{Queue: "default", Kind: []string{"task"}, MaxToLock: 100, MaxAttemptedBy: 100, ClientID: "me"}
	if _, err := d.fetch(ctx, fetch); err != nil {
		t.Fatal(err)
	}
	done := completions{ids: []int64{1, 2}, attempts: []int{1, 1}, at: make([]time.Time, 2)}
	if err := d.complete(ctx, "me", done); err != nil {
		t.Fatal(err)
	}
	kept := column[string](t, d, "SELECT statement FROM pg_prepared_statements WHERE statement IN ($1, $2)", fetchStatement, completeStatement)
	if len(kept) > 0 {
		t.Errorf("the connection keeps plans of %q", kept)
	}

	d.fill(t, 20_000, "available")
	if _, err := d.exec(ctx, "ANALYZE river_job"); err != nil {
		t.Fatal(err)
	}
	d.fill(t, 20_000, "running")
	explain := func(statement string, args ...any) string {
		return strings.Join(column[string](t, d, "EXPLAIN "+statement, append([]any{d.anew}, args...)...), "\n")
	}
	for what, plan := range map[string]string{
		"Tid Scan on river_job job":       explain(fetchStatement, fetch.Queue, fetch.Kind, fetch.MaxToLock, fetch.MaxAttemptedBy, fetch.ClientID),
		"Index Scan using river_job_pkey": explain(completeStatement, "me", done.ids, done.attempts, done.at),
	} {
		if !strings.Contains(plan, what) || strings.Contains(plan, "Seq Scan") {
			t.Errorf("no %s:\n%s", what, plan)
		}
	}
}

// TestCompleteEach: each row gets its own time, and only if it runs in the attempt that is its own.
func TestCompleteEach(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), newTables(t, 1)
	d.fill(t, 100, "running")
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var done completions
	for _, id := range column[int64](t, d, "SELECT id FROM river_job WHERE id % 7 <> 0 ORDER BY id") {
		attempt := int(id % 3)
		if id%5 == 0 {
			attempt = 7
		}
		done.ids, done.attempts = append(done.ids, id), append(done.attempts, attempt)
		done.at = append(done.at, began.Add(time.Duration(id)*time.Second))
	}
	if err := d.complete(ctx, "me", done); err != nil {
		t.Fatal(err)
	}
	wrong := column[int64](t, d, `SELECT id FROM river_job WHERE (state = 'completed') <> (id % 7 <> 0 AND id % 5 <> 0)
OR finalized_at <> $1::timestamptz + id * interval '1 second'`, began)
	if len(wrong) > 0 {
		t.Errorf("wrong rows: %v", wrong)
	}
}

// TestCompleteWaits: what another does to a row while its completion waits for it counts.
func TestCompleteWaits(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), newTables(t, 3)
	d.fill(t, 6, "running")
	completed := make(chan error, 1)
	err := d.inTx(ctx, func(tx database, _ riverdriver.Executor) error {
		if _, err := tx.exec(ctx, "UPDATE river_job SET attempt = 2 WHERE id = 4"); err != nil {
			return err
		}
		go func() {
			at := time.Now()
			completed <- d.complete(ctx, "me", completions{ids: []int64{1, 4}, attempts: []int{1, 1}, at: []time.Time{at, at}})
		}()
		const waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE river_job%'"
		for began := time.Now(); len(column[int](t, d, waiting)) == 0; {
			if time.Since(began) > time.Minute {
				return errors.New("nothing waits for the row")
			}
		}
		return nil
	})
	if err = errors.Join(err, <-completed); err != nil {
		t.Fatal(err)
	}
	if got := column[int64](t, d, "SELECT id FROM river_job WHERE state = 'completed'"); !slices.Equal(got, []int64{1}) {
		t.Errorf("completed are %v", got)
	}
}

// TestFetchOrder: what is fetched begins in the order of the queue, not of the table.
func TestFetchOrder(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), newTables(t, 1)
	_, err := d.exec(ctx, `INSERT INTO river_job (args, kind, max_attempts, priority, scheduled_at)
SELECT '{}', 'task', 9, 1 + n * 7 % 4, now() - n * 3 % 5 * interval '1 hour' FROM generate_series(1, 40) n`)
	if err != nil {
		t.Fatal(err)
	}
	want := column[int64](t, d, "SELECT id FROM river_job ORDER BY priority, scheduled_at, id LIMIT 30")
	res, err := d.fetch(ctx, &riverdriver.JobGetAvailableParams{Queue: "default", MaxToLock: 30, MaxAttemptedBy: 100, ClientID: "me"})
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, row := range res.Jobs {
		got = append(got, row.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("fetched %v, not %v", got, want)
	}
}

// TestAttemptedBy: the last holders are kept, of as many attempts as River asks for.
func TestAttemptedBy(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), newTables(t, 1)
	_, err := d.exec(ctx, `INSERT INTO river_job (args, kind, max_attempts, attempted_by)
SELECT '{}', 'task', 9, CASE WHEN n >= 0 THEN array_fill('early'::text, ARRAY[1]) || array_fill('late'::text, ARRAY[n]) END FROM generate_series(-1, 5) n`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.fetch(ctx, &riverdriver.JobGetAvailableParams{Queue: "default", MaxToLock: 30, MaxAttemptedBy: 4, ClientID: "me"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"me", "early,me", "early,late,me", "early,late,late,me", "late,late,late,me", "late,late,late,me", "late,late,late,me"}
	if got := column[string](t, d, "SELECT array_to_string(attempted_by, ',') FROM river_job ORDER BY id"); !slices.Equal(got, want) {
		t.Errorf("held by %q, not %q", got, want)
	}
}
