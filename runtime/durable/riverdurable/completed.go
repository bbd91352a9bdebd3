package riverdurable

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// completions are attempts that succeeded and leave nothing but that: nearly all outcomes
// of most queues.
type completions struct {
	ids      []int64
	attempts []int
	at       []time.Time
}

// splitCompleted parts the outcomes that are completions from the others.
func (f *flights) splitCompleted(p *outcomes) (done completions, others *outcomes) {
	plain := func(i int) bool {
		return p.State[i] == rivertype.JobStateCompleted && p.FinalizedAt[i] != nil && !p.MetadataDoMerge[i] &&
			p.Attempt[i] == nil && p.ErrData[i] == nil && p.ScheduledAt[i] == nil
	}
	var places []int
	others = pick(p, func(i int) bool {
		if plain(i) {
			places = append(places, i)
			return false
		}
		return true
	})
	// In the order in which others lock rows, too, or each could wait for the other.
	slices.SortFunc(places, func(a, b int) int { return cmp.Compare(p.ID[a], p.ID[b]) })
	for _, i := range places {
		done.ids = append(done.ids, p.ID[i])
		done.attempts = append(done.attempts, f.attempt(p.ID[i]))
		done.at = append(done.at, *p.FinalizedAt[i])
	}
	return done, others
}

// complete is for PostgreSQL. It completes those of the rows that still run in the holder's
// name, in the attempts that are given, and returns which: what River's statement and the
// fence around it do, in one that locks, reads and sends nothing more. The database decides
// row by row, and looks again at one that another has just changed.
func (s store) complete(ctx context.Context, holder string, done completions) (held map[int64]int, err error) {
	const statement = `UPDATE river_job SET state = 'completed', finalized_at = done.at
FROM unnest($2::bigint[], $3::int[], $4::timestamptz[]) AS done (id, attempt, at)
WHERE river_job.id = done.id AND river_job.attempt = done.attempt AND river_job.state = 'running'
AND attempted_by[array_upper(attempted_by, 1)] = $1 RETURNING river_job.id, river_job.attempt`
	held = make(map[int64]int, len(done.ids))
	err = s.db.query(ctx, statement, []any{holder, done.ids, done.attempts, done.at}, func(scan scanner) error {
		var id int64
		var attempt int
		err := scan(&id, &attempt)
		held[id] = attempt
		return err
	})
	return held, err
}

// storeCompleted stores completions. It settles them at once, as River gives the whole batch
// again if the rest of it fails. River would tell its subscribers of the rows, and there are
// none.
func (g *guard) storeCompleted(ctx context.Context, done completions) error {
	if len(done.ids) == 0 {
		return nil
	}
	held, err := g.complete(ctx, done)
	if err != nil {
		return err
	}
	g.flights.judge(done.ids, held)
	g.flights.settle(done.ids)
	return nil
}
