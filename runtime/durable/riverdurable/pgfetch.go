package riverdurable

import (
	"context"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// fetch is for PostgreSQL, and River's JobGetAvailable, but that it finds the rows that it has
// locked by their places, and reads of them what an attempt needs: a seventh less for the
// server, and no row that can't be read because of the errors of its attempts before.
func (s store) fetch(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	const statement = `WITH locked AS (
    SELECT ctid AS place FROM river_job
    WHERE state = 'available' AND queue = $1::text AND ($2::text[] IS NULL OR kind = ANY($2::text[])) AND scheduled_at <= now()
    ORDER BY priority, scheduled_at, id
    LIMIT $3::int FOR UPDATE SKIP LOCKED
)
UPDATE river_job SET state = 'running', attempt = attempt + 1, attempted_at = now(),
    attempted_by = array_append(CASE WHEN array_length(attempted_by, 1) >= $4::int
        THEN attempted_by[array_length(attempted_by, 1) + 2 - $4::int:] ELSE attempted_by END, $5::text)
WHERE ctid = ANY(ARRAY(SELECT place FROM locked))
RETURNING id, args, attempt, created_at, kind, max_attempts, metadata, priority, queue, scheduled_at`
	res := &riverdriver.JobGetAvailableResult{Jobs: make([]*rivertype.JobRow, 0, p.MaxToLock)}
	args := []any{p.Queue, p.Kind, p.MaxToLock, p.MaxAttemptedBy, p.ClientID}
	err := s.db.query(ctx, statement, args, func(scan scanner) error {
		row := &rivertype.JobRow{State: rivertype.JobStateRunning}
		res.Jobs = append(res.Jobs, row)
		return scan(&row.ID, &row.EncodedArgs, &row.Attempt, &row.CreatedAt, &row.Kind, &row.MaxAttempts, &row.Metadata,
			&row.Priority, &row.Queue, &row.ScheduledAt)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
