package riverdurable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable/internal/metadata"
)

var errTaken = errors.New("another job has its unique key now: it can be retried when that has ended, or discarded")

// letters lists by the time of the failure. The letter before the page may be gone when
// the next page is asked for, retried or discarded; then its id alone says where it was,
// as jobs fail roughly in the order of their ids.
func (s store) letters(ctx context.Context, q durable.Query) ([]durable.DeadLetter, error) {
	var before int64
	if q.Before != "" {
		var err error
		if before, err = parseID(q.Before); err != nil {
			return nil, fmt.Errorf("the page after %q: %w", q.Before, err)
		}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = durable.DefaultLimit
	}
	const page = `($1 = '' OR kind = $1) AND ($2 = '' OR queue = $2) AND ($3 = 0 OR CASE
WHEN EXISTS (SELECT 1 FROM river_job AS b WHERE b.id = $3 AND b.state = 'discarded')
THEN (finalized_at, id) < (SELECT b.finalized_at, b.id FROM river_job AS b WHERE b.id = $3)
ELSE id < $3 END) ORDER BY finalized_at DESC, id DESC LIMIT $4`
	return s.dead(ctx, page, q.Task, q.Queue, before, limit)
}

func (s store) letter(ctx context.Context, id string) (durable.DeadLetter, error) {
	n, err := parseID(id)
	if err != nil {
		return durable.DeadLetter{}, err
	}
	found, err := s.dead(ctx, `id = $1`, n)
	switch {
	case err != nil:
		return durable.DeadLetter{}, err
	case len(found) == 0:
		return durable.DeadLetter{}, durable.ErrNotFound
	}
	return found[0], nil
}

func (s store) dead(ctx context.Context, condition string, args ...any) ([]durable.DeadLetter, error) {
	statement := `SELECT id, kind, ` + s.dialect.args + `, attempt, queue, priority, created_at, scheduled_at, finalized_at, ` +
		s.dialect.metadata + `, coalesce(` + s.dialect.lastError + `, '')
FROM river_job WHERE state = 'discarded' AND ` + condition
	var all []durable.DeadLetter
	err := s.db.query(ctx, statement, args, func(scan scanner) error {
		letter, err := readLetter(scan)
		all = append(all, letter)
		return err
	})
	return all, err
}

func readLetter(scan scanner) (durable.DeadLetter, error) {
	var id int64
	var args, meta string
	var ready time.Time
	var l durable.DeadLetter
	err := scan(&id, &l.Task, &args, &l.Attempt, &l.Queue, &l.Priority, &l.Enqueued, &ready, &l.Failed, &meta, &l.Error)
	if err != nil {
		return l, err
	}
	l.ID, l.Args = idOf(id), json.RawMessage(args)
	l.Envelope, l.State = metadata.Decode([]byte(meta))
	if l.Ready = ready; l.Enqueued.After(ready) {
		l.Ready = l.Enqueued
	}
	if !json.Valid(l.Args) {
		l.Err = errors.New("riverdurable: the arguments in the row are no JSON")
	}
	return l, nil
}

// retry is not River's, which goes on counting the attempts.
func (s store) retry(ctx context.Context, id string) error {
	n, err := parseID(id)
	if err != nil {
		return err
	}
	return s.db.inTx(ctx, func(tx database, river riverdriver.Executor) error {
		queues := map[string]bool{}
		err := tx.query(ctx, `UPDATE river_job SET state = 'available', attempt = 0, finalized_at = NULL, scheduled_at = `+s.dialect.now+`
WHERE id = $1 AND state = 'discarded' RETURNING queue`, []any{n}, func(scan scanner) error {
			var queue string
			err := scan(&queue)
			queues[queue] = true
			return err
		})
		switch {
		case err != nil && s.dialect.isTaken(err):
			return errTaken
		case err != nil:
			return err
		case len(queues) == 0:
			return durable.ErrNotFound
		}
		return wake(ctx, river, queues)
	})
}

func (s store) discard(ctx context.Context, id string) error {
	n, err := parseID(id)
	if err != nil {
		return err
	}
	deleted, err := s.db.exec(ctx, `DELETE FROM river_job WHERE id = $1 AND state = 'discarded'`, n)
	if err == nil && deleted == 0 {
		return durable.ErrNotFound
	}
	return err
}
