package riverdurable

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"

	"github.com/postlude/postlude/internal/pgtest"
)

// newTables is a database with River's tables and nothing in them, on one connection.
func newTables(t *testing.T) postgresDB {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(pgtest.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 1
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

// TestPlans: what was planned while the table was new or was told to have no rows that run is not
// kept, and what is planned anew reads no more than the rows in question.
func TestPlans(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), newTables(t)
	fetch := &riverdriver.JobGetAvailableParams{Queue: "default", Kind: []string{"task"}, MaxToLock: 100, MaxAttemptedBy: 100, ClientID: "me"}
	done := completions{ids: []int64{1, 2}, attempts: []int{1, 1}, at: make([]time.Time, 2)}
	for range 10 { // after five, a plan is kept that is for any arguments
		if _, err := d.fetch(ctx, fetch); err != nil {
			t.Fatal(err)
		}
		if err := d.complete(ctx, "me", done); err != nil {
			t.Fatal(err)
		}
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
		return strings.Join(column[string](t, d, "EXPLAIN "+statement, d.plannedFor(args...)...), "\n")
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

// TestPlannedFor: a pool's own mode is left as it is, unless plans are kept in it.
func TestPlannedFor(t *testing.T) {
	t.Parallel()
	for mode, want := range map[pgx.QueryExecMode]int{
		pgx.QueryExecModeCacheStatement: 2, pgx.QueryExecModeCacheDescribe: 1, pgx.QueryExecModeDescribeExec: 1,
		pgx.QueryExecModeExec: 1, pgx.QueryExecModeSimpleProtocol: 1,
	} {
		if got := (postgresDB{mode: mode}).plannedFor("arg"); len(got) != want || got[want-1] != "arg" {
			t.Errorf("%s: %v", mode, got)
		}
	}
}

// TestCompleteEach: each row gets its own time, and only if it runs in the attempt that is meant.
func TestCompleteEach(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), newTables(t)
	d.fill(t, 100, "running")
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var done completions
	for _, id := range column[int64](t, d, "SELECT id FROM river_job WHERE id % 7 <> 0 ORDER BY id") {
		done.ids, done.attempts = append(done.ids, id), append(done.attempts, 1)
		done.at = append(done.at, began.Add(time.Duration(id)*time.Second))
	}
	if err := d.complete(ctx, "me", done); err != nil {
		t.Fatal(err)
	}
	wrong := column[int64](t, d, `SELECT id FROM river_job WHERE
(state = 'completed') <> (id % 7 <> 0 AND attempt = 1) OR finalized_at <> $1::timestamptz + id * interval '1 second'`, began)
	if len(wrong) > 0 {
		t.Errorf("wrong rows: %v", wrong)
	}
	if got := column[int](t, d, "SELECT count(*) FROM river_job WHERE finalized_at IS NOT NULL"); got[0] < 20 {
		t.Errorf("%d of 100 rows are completed", got[0])
	}
}

// TestFetchOrder: what is fetched begins in the order of the queue, not of the table.
func TestFetchOrder(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), newTables(t)
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
	ctx, d := context.Background(), newTables(t)
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
