package riverdurable

import (
	"cmp"
	"context"
	"slices"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// fetch is River's JobGetAvailable, but that it reads of the rows what an attempt needs: that is
// less to decode, and no row can't be read because of the errors of its attempts before. It goes
// to the rows that it has locked by their places, which they can't leave meanwhile. A row that
// was changed just before it was locked is left to the next fetch, as its new place is not seen
// by this one.
func (d postgresDB) fetch(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	res := &riverdriver.JobGetAvailableResult{Jobs: make([]*rivertype.JobRow, 0, p.MaxToLock)}
	args := []any{d.anew, p.Queue, p.Kind, p.MaxToLock, p.MaxAttemptedBy, p.ClientID}
	err := d.query(ctx, fetchStatement, args, func(scan scanner) error {
		row := &rivertype.JobRow{State: rivertype.JobStateRunning}
		err := scan(&row.ID, &row.EncodedArgs, &row.Attempt, &row.CreatedAt, &row.Kind, &row.MaxAttempts, &row.Metadata,
			&row.Priority, &row.Queue, &row.ScheduledAt)
		row.CreatedAt, row.ScheduledAt = row.CreatedAt.UTC(), row.ScheduledAt.UTC()
		res.Jobs = append(res.Jobs, row)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(res.Jobs, func(a, b *rivertype.JobRow) int { // they came by place
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), a.ScheduledAt.Compare(b.ScheduledAt), cmp.Compare(a.ID, b.ID))
	})
	return res, nil
}

// fetchStatement has an array of places, not a join, which takes the server a fifth more. What is
// cut from an array before its first element is all of it.
const fetchStatement = `WITH locked AS (
    SELECT ctid AS place FROM river_job
    WHERE state = 'available' AND queue = $1::text AND ($2::text[] IS NULL OR kind = ANY($2::text[])) AND scheduled_at <= now()
    ORDER BY priority, scheduled_at, id
    LIMIT $3::int FOR UPDATE SKIP LOCKED
)
UPDATE river_job AS job SET state = 'running', attempt = job.attempt + 1, attempted_at = now(),
    attempted_by = array_append(job.attempted_by[array_upper(job.attempted_by, 1) + 2 - $4::int:], $5::text)
WHERE job.ctid = ANY(ARRAY(SELECT place FROM locked))
RETURNING job.id, job.args, job.attempt, job.created_at, job.kind, job.max_attempts, job.metadata, job.priority, job.queue, job.scheduled_at`
