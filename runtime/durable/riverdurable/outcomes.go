package riverdurable

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// outcomes are what River wants to store: a list for each column, the outcome of one
// attempt at the same place in all.
type outcomes = riverdriver.JobSetStateIfRunningManyParams

// fence runs write in a transaction that has the rows: those of ids that run in the
// session's name, whose attempts are held. Nobody takes them before it ends.
type fence func(ctx context.Context, ids []int64, write func(tx riverdriver.Executor, held map[int64]int) error) error

// JobSetStateIfRunningMany stores outcomes: those of attempts that are still the session's,
// when it has its claim. It tries for as long as ctx lets it, and River then calls again.
func (g *guard) JobSetStateIfRunningMany(ctx context.Context, p *outcomes) ([]*rivertype.JobRow, error) {
	for {
		if err := g.claimed.wait(ctx); err != nil {
			return nil, err
		}
		rows, err := g.store(ctx, p)
		if err == nil {
			g.flights.settle(p.ID)
			g.announce(ctx, rows)
			return rows, nil
		}
		if errors.Is(err, riverdriver.ErrClosedPool) || !sleep(ctx, storePause) {
			return nil, err
		}
	}
}

// store leaves nothing out but what is not the session's any more. One outcome that the
// database refuses would hold up all the others for ever.
func (g *guard) store(ctx context.Context, p *outcomes) ([]*rivertype.JobRow, error) {
	own := g.flights.own(p)
	if len(own.ID) == 0 {
		return nil, nil
	}
	rows, err := g.storeOwn(ctx, own)
	if err == nil || !g.refused(err) {
		return rows, err
	}
	return g.storeParts(ctx, own, err)
}

// storeOwn asks the database whether the rows are still the session's. A process that stood
// still may have lost its claim, and not know it yet; and River's statement asks only
// whether somebody works on a row.
func (g *guard) storeOwn(ctx context.Context, p *outcomes) ([]*rivertype.JobRow, error) {
	if g.fence == nil {
		return g.Executor.JobSetStateIfRunningMany(ctx, p)
	}
	done, others := g.flights.splitCompleted(p)
	if err := g.storeCompleted(ctx, done); err != nil || len(others.ID) == 0 {
		return nil, err
	}
	return g.storeFenced(ctx, others)
}

// storeFenced stores what River's statement is needed for.
func (g *guard) storeFenced(ctx context.Context, p *outcomes) (rows []*rivertype.JobRow, err error) {
	err = g.fence(ctx, p.ID, func(tx riverdriver.Executor, held map[int64]int) error {
		g.flights.judge(p.ID, held)
		own := g.flights.own(p)
		if len(own.ID) == 0 {
			return nil
		}
		if rows, err = tx.JobSetStateIfRunningMany(ctx, own); err != nil {
			return err
		}
		return trimErrors(ctx, tx, rows)
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

const (
	keepErrors = 100             // of a row: a Retry in a loop would have it grow for ever
	tooMany    = keepErrors + 20 // so that not every attempt writes them all
)

// trimErrors is for PostgreSQL.
func trimErrors(ctx context.Context, tx riverdriver.Executor, rows []*rivertype.JobRow) error {
	var long []int64
	for _, row := range rows {
		if len(row.Errors) > tooMany {
			long = append(long, row.ID)
		}
	}
	if long == nil {
		return nil
	}
	return tx.Exec(ctx, `UPDATE river_job SET errors = errors[array_upper(errors, 1) - $2::int + 1:] WHERE id = ANY($1::bigint[])`, long, keepErrors)
}

// giveBack makes jobs available in a second, as if they had not been fetched. What can't be
// given back is found as an orphan.
func (g *guard) giveBack(ctx context.Context, rows []*rivertype.JobRow) {
	if len(rows) == 0 {
		return
	}
	p, at := &outcomes{}, time.Now().Add(time.Second)
	for _, row := range rows {
		add(p, riverdriver.JobSetStateSnoozedAvailable(row.ID, at, row.Attempt-1, nil))
	}
	if g.fence == nil {
		_, _ = g.Executor.JobSetStateIfRunningMany(ctx, p)
		return
	}
	_ = g.fence(ctx, p.ID, func(tx riverdriver.Executor, held map[int64]int) error {
		_, err := tx.JobSetStateIfRunningMany(ctx, pick(p, func(i int) bool { return held[p.ID[i]] == *p.Attempt[i]+1 }))
		return err
	})
}

// announce wakes the workers of jobs that are to be tried again at once: River tells of
// those that are inserted only. Without it, the next look finds them.
func (g *guard) announce(ctx context.Context, rows []*rivertype.JobRow) {
	queues := map[string]bool{}
	for _, row := range rows {
		if isDue(row) {
			queues[row.Queue] = true
		}
	}
	_ = wake(ctx, g.Executor, queues)
}

// pick returns the outcomes that are to be kept.
func pick(p *outcomes, keep func(i int) bool) *outcomes {
	kept := make([]int, 0, len(p.ID))
	for i := range p.ID {
		if keep(i) {
			kept = append(kept, i)
		}
	}
	if len(kept) == len(p.ID) {
		return p
	}
	return &outcomes{
		ID: at(p.ID, kept), Attempt: at(p.Attempt, kept), ErrData: at(p.ErrData, kept), FinalizedAt: at(p.FinalizedAt, kept),
		MetadataDoMerge: at(p.MetadataDoMerge, kept), MetadataUpdates: at(p.MetadataUpdates, kept),
		Now: p.Now, ScheduledAt: at(p.ScheduledAt, kept), Schema: p.Schema, State: at(p.State, kept),
	}
}

func at[T any](column []T, places []int) []T {
	picked := slices.Grow([]T(nil), len(places))
	for _, i := range places {
		picked = append(picked, column[i])
	}
	return picked
}

func add(p *outcomes, o *riverdriver.JobSetStateIfRunningParams) {
	p.ID = append(p.ID, o.ID)
	p.Attempt = append(p.Attempt, o.Attempt)
	p.ErrData = append(p.ErrData, o.ErrData)
	p.FinalizedAt = append(p.FinalizedAt, o.FinalizedAt)
	p.MetadataDoMerge = append(p.MetadataDoMerge, o.MetadataDoMerge)
	p.MetadataUpdates = append(p.MetadataUpdates, o.MetadataUpdates)
	p.ScheduledAt = append(p.ScheduledAt, o.ScheduledAt)
	p.State = append(p.State, o.State)
}
