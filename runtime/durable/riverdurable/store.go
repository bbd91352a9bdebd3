package riverdurable

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/postlude/postlude/runtime/durable"
)

// store has the statements that River has none for. It works on River's table alone.
type store struct {
	db      database
	dialect dialect
}

// dialect are the expressions that the databases spell differently.
type dialect struct {
	now       string
	age       func(column string) string // in seconds, of the least value of the column
	args      string
	metadata  string
	lastError string
	holder    string           // the id of the client that has a running row
	canceled  string           // not null if somebody asked for the running row to be canceled
	isTaken   func(error) bool // the error of a unique key that another row has
	isRefused func(error) bool // the error of data that the database will never take
}

var postgresDialect = dialect{
	now:       "now()",
	age:       func(column string) string { return "extract(epoch FROM now() - min(" + column + "))" },
	args:      "CAST(args AS text)",
	metadata:  "CAST(metadata AS text)",
	lastError: "errors[array_upper(errors, 1)] ->> 'error'",
	holder:    "attempted_by[array_upper(attempted_by, 1)]",
	canceled:  "(metadata -> 'cancel_attempted_at')",
	isTaken:   postgresTaken,
	isRefused: postgresRefused,
}

// River keeps JSON in SQLite as a blob. A text that is no JSON somebody else put there, and
// SQLite's functions would fail the whole statement for it.
var sqliteDialect = dialect{
	now:       "datetime('now', 'subsec')",
	age:       func(column string) string { return "(julianday('now') - julianday(min(" + column + "))) * 86400" },
	args:      ifJSON("args", "json(args)", "args"),
	metadata:  ifJSON("metadata", "json(metadata)", "metadata"),
	lastError: ifJSON("errors", "json_extract(errors, '$[#-1].error')", "errors"),
	holder:    ifJSON("attempted_by", "json_extract(attempted_by, '$[#-1]')", "NULL"),
	canceled:  ifJSON("metadata", "(metadata -> 'cancel_attempted_at')", "NULL"),
	isTaken:   sqliteTaken,
	isRefused: sqliteRefused,
}

func ifJSON(column, then, otherwise string) string {
	return "CASE WHEN typeof(" + column + ") <> 'text' OR json_valid(" + column + ") THEN " + then + " ELSE " + otherwise + " END"
}

// queues counts by an index; what is done it leaves out. A job that is to come within
// seconds River keeps as available, see soon: it is counted as what it waits for.
func (s store) queues(ctx context.Context) ([]durable.QueueStats, error) {
	statement := `
SELECT queue, CAST(state AS text), count(*), CAST(0 AS double precision) FROM river_job
WHERE state IN ('scheduled', 'pending', 'retryable', 'running', 'discarded') GROUP BY queue, state
UNION ALL
SELECT queue, 'available', count(*), CAST(` + s.dialect.age("scheduled_at") + ` AS double precision) FROM river_job
WHERE state = 'available' AND scheduled_at <= ` + s.dialect.now + ` GROUP BY queue
UNION ALL
SELECT queue, CASE WHEN attempt > 0 THEN 'retryable' ELSE 'scheduled' END, count(*), CAST(0 AS double precision) FROM river_job
WHERE state = 'available' AND scheduled_at > ` + s.dialect.now + ` GROUP BY 1, 2`
	byName := map[string]*durable.QueueStats{}
	err := s.db.query(ctx, statement, nil, func(scan scanner) error {
		var queue, state string
		var n int
		var age float64
		if err := scan(&queue, &state, &n, &age); err != nil {
			return err
		}
		q := byName[queue]
		if q == nil {
			q = &durable.QueueStats{Queue: queue}
			byName[queue] = q
		}
		count(q, state, n, time.Duration(age*float64(time.Second)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := make([]durable.QueueStats, 0, len(byName))
	for _, q := range byName {
		all = append(all, *q)
	}
	slices.SortFunc(all, func(a, b durable.QueueStats) int { return cmp.Compare(a.Queue, b.Queue) })
	return all, nil
}

func count(q *durable.QueueStats, state string, n int, age time.Duration) {
	switch state {
	case "available":
		q.Available, q.Oldest = n, max(age, 0)
	case "scheduled", "pending":
		q.Scheduled += n
	case "retryable":
		q.Retrying += n
	case "running":
		q.Running = n
	case "discarded":
		q.Dead = n
	}
}

// running returns the attempts of the rows that a client has.
func (s store) running(ctx context.Context, holder string) (map[int64]int, error) {
	attempts := map[int64]int{}
	err := s.db.query(ctx, `SELECT id, attempt FROM river_job WHERE state = 'running' AND `+s.dialect.holder+` = $1`,
		[]any{holder}, func(scan scanner) error {
			var id int64
			var attempt int
			err := scan(&id, &attempt)
			attempts[id] = attempt
			return err
		})
	return attempts, err
}

// holders returns the ids and attempts of all running rows, by who has them; "" is nobody.
func (s store) holders(ctx context.Context) (map[string]map[int64]int, error) {
	held := map[string]map[int64]int{}
	err := s.db.query(ctx, `SELECT `+s.heldBy()+`, id, attempt FROM river_job WHERE state = 'running'`, nil, func(scan scanner) error {
		var holder string
		var id int64
		var attempt int
		if err := scan(&holder, &id, &attempt); err != nil {
			return err
		}
		if held[holder] == nil {
			held[holder] = map[int64]int{}
		}
		held[holder][id] = attempt
		return nil
	})
	return held, err
}

func (s store) heldBy() string { return "coalesce(" + s.dialect.holder + ", '')" }

// fence is for PostgreSQL. The rows are locked in the order of their ids, as others lock
// more than one, too.
func (s store) fence(ctx context.Context, holder string, ids []int64, write func(riverdriver.Executor, map[int64]int) error) error {
	const statement = `SELECT id, attempt FROM river_job WHERE id = ANY($1) AND state = 'running'
AND attempted_by[array_upper(attempted_by, 1)] = $2 ORDER BY id FOR NO KEY UPDATE`
	return s.db.inTx(ctx, func(tx database, river riverdriver.Executor) error {
		held := make(map[int64]int, len(ids))
		err := tx.query(ctx, statement, []any{ids, holder}, func(scan scanner) error {
			var id int64
			var attempt int
			err := scan(&id, &attempt)
			held[id] = attempt
			return err
		})
		if err != nil {
			return err
		}
		return write(river, held)
	})
}

// release makes running rows available again, those for which the condition holds, and
// wakes the workers of their queues. Rows that somebody asked to cancel are canceled. The
// attempt counts; one that the column could not count on from would fail every fetch.
func (s store) release(ctx context.Context, tx database, river riverdriver.Executor, condition string, args ...any) (int, error) {
	canceled, err := tx.exec(ctx, `UPDATE river_job SET state = 'cancelled', finalized_at = `+s.dialect.now+`
WHERE state = 'running' AND `+condition+` AND `+s.dialect.canceled+` IS NOT NULL`, args...)
	if err != nil {
		return 0, err
	}
	queues, n := map[string]bool{}, int(canceled)
	err = tx.query(ctx, `UPDATE river_job SET state = 'available', scheduled_at = `+s.dialect.now+`,
attempt = CASE WHEN attempt < 32767 THEN attempt ELSE 32766 END
WHERE state = 'running' AND `+condition+` RETURNING queue`, args, func(scan scanner) error {
		var queue string
		err := scan(&queue)
		queues[queue] = true
		n++
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, wake(ctx, river, queues)
}

// wake has the workers of the queues look for jobs, when the transaction is committed.
func wake(ctx context.Context, river riverdriver.Executor, queues map[string]bool) error {
	var payload []string
	for queue := range queues {
		text, err := insertPayload(queue)
		if err != nil {
			return err
		}
		payload = append(payload, text)
	}
	if len(payload) == 0 {
		return nil
	}
	return river.NotifyMany(ctx, &riverdriver.NotifyManyParams{Topic: insertTopic, Payload: payload})
}

// releaseHeld is release for rows of a client, of these attempts; nil: all of them.
func (s store) releaseHeld(ctx context.Context, holder string, attempts map[int64]int) (n int, err error) {
	err = s.db.inTx(ctx, func(tx database, river riverdriver.Executor) error {
		held := s.heldBy() + " = $1"
		if attempts == nil {
			n, err = s.release(ctx, tx, river, held, holder)
			return err
		}
		for id, attempt := range attempts {
			one, err := s.release(ctx, tx, river, held+" AND id = $2 AND attempt = $3", holder, id, attempt)
			if err != nil {
				return err
			}
			n += one
		}
		return nil
	})
	return n, err
}
