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
	ids      []int64 // ascending
	attempts []int
	at       []time.Time
}

// splitCompleted parts the outcomes that are completions from the others.
func (f *flights) splitCompleted(p *outcomes) (done completions, others *outcomes) {
	plain := func(i int) bool {
		return p.State[i] == rivertype.JobStateCompleted && p.FinalizedAt[i] != nil && !p.MetadataDoMerge[i] &&
			p.Attempt[i] == nil && p.ErrData[i] == nil && p.ScheduledAt[i] == nil
	}
	places := make([]int, 0, len(p.ID))
	others = pick(p, func(i int) bool {
		if plain(i) {
			places = append(places, i)
			return false
		}
		return true
	})
	done.ids, done.at = make([]int64, 0, len(places)), make([]time.Time, 0, len(places))
	slices.SortFunc(places, func(a, b int) int { return cmp.Compare(p.ID[a], p.ID[b]) })
	for _, i := range places {
		done.ids = append(done.ids, p.ID[i])
		done.at = append(done.at, *p.FinalizedAt[i])
	}
	done.attempts = f.attempts(done.ids)
	return done, others
}

// complete completes those of the rows that still run in the holder's name, in the attempts
// that are given: what River's statement and the fence around it do, in one that locks and reads
// nothing more, and sends nothing back. The database decides row by row, and looks again at one
// that another has just changed.
func (d postgresDB) complete(ctx context.Context, holder string, done completions) error {
	_, err := d.exec(ctx, completeStatement, d.anew, holder, done.ids, done.attempts, done.at)
	return err
}

// completeStatement finds what belongs to a row by the place of its id among the ids, which are
// sorted: width_bucket looks there as sort.Search does, and the server takes a tenth less than
// to join with the arrays. The state is compared as text, as else a plan may look for all rows
// that run, and find all that have run since the last vacuum.
const completeStatement = `UPDATE river_job SET state = 'completed', finalized_at = ($4::timestamptz[])[width_bucket(id, $2::bigint[])]
WHERE id = ANY($2::bigint[]) AND attempt = ($3::int[])[width_bucket(id, $2::bigint[])] AND state::text = 'running'
AND attempted_by[array_upper(attempted_by, 1)] = $1`

// storeCompleted stores completions, and settles them, also those that others have the rows
// of: at once, as River gives the whole batch again if the rest of it fails. River would tell
// its subscribers of the rows, and there are none.
func (g *guard) storeCompleted(ctx context.Context, done completions) error {
	if len(done.ids) == 0 {
		return nil
	}
	if err := g.complete(ctx, done); err != nil {
		return err
	}
	g.flights.settle(done.ids)
	return nil
}
