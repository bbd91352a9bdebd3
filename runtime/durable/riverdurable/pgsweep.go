package riverdurable

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

// sweepGap is how long a sweep may come after the one before for what both saw to count as
// seen all the time between.
const sweepGap = 3 * time.Second

// sweeper takes over the jobs of sessions that have been without their locks for the
// grace. It is for one goroutine.
type sweeper struct {
	store store
	id    string // of the session that sweeps
	grace time.Duration
	log   *slog.Logger

	dead map[string]time.Time // since when a session was seen without its lock
	last time.Time            // the last sweep that saw anything
}

// unlocked lists the sessions of ours that have running rows, or lead, without a lock. The
// key of a lock of 64 bits is in two columns.
const unlocked = `WITH holders AS (
SELECT DISTINCT attempted_by[array_upper(attempted_by, 1)] AS id FROM river_job WHERE state = 'running'
UNION SELECT leader_id FROM river_leader)
SELECT id FROM holders WHERE id LIKE $1 || '%' AND id <> $2 AND hashtextextended(id, 0) NOT IN (
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`

func (s *sweeper) sweep(ctx context.Context) {
	seen, now := map[string]time.Time{}, time.Now()
	if now.Sub(s.last) > sweepGap {
		s.dead = nil // the database was away: all have lost their locks, and need time
	}
	err := s.store.db.query(ctx, unlocked, []any{idPrefix, s.id}, func(scan scanner) error {
		var id string
		err := scan(&id)
		seen[id] = now
		if since, ok := s.dead[id]; ok {
			seen[id] = since
		}
		return err
	})
	if err != nil {
		return // River's own lines tell of a database that is away
	}
	s.dead, s.last = seen, now
	for id, since := range seen {
		if now.Sub(since) < s.grace {
			continue
		}
		delete(s.dead, id)
		if err := s.inherit(ctx, id); err != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "riverdurable: the jobs of a dead process could not be taken over; it will be tried again",
				slog.String("process", id), slog.String("exception.message", err.Error()))
		}
	}
}

// inherit takes the lock of the dead while it takes the jobs: one who comes back to life has
// to wait, and then sees what is left.
func (s *sweeper) inherit(ctx context.Context, id string) error {
	return s.store.db.inTx(ctx, func(tx database, river riverdriver.Executor) error {
		var locked bool
		err := tx.query(ctx, "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", []any{id},
			func(scan scanner) error { return scan(&locked) })
		if err != nil || !locked {
			return err
		}
		n, err := s.store.release(ctx, tx, river, s.store.dialect.holder+" = $1", id)
		if err != nil {
			return err
		}
		led, err := tx.exec(ctx, "DELETE FROM river_leader WHERE leader_id = $1", id)
		if err != nil {
			return err
		}
		s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: a process is dead, and its jobs are available again", slog.String("process", id), slog.Int("jobs", n))
		if led == 0 {
			return nil
		}
		return electAnother(ctx, river, id)
	})
}

// electAnother tells the others that there is no leader, as the one before would have. Else
// retries and schedules wait for up to six seconds.
func electAnother(ctx context.Context, river riverdriver.Executor, id string) error {
	payload, err := json.Marshal(map[string]string{"action": "resigned", "leader_id": id})
	if err != nil {
		return err
	}
	return river.NotifyMany(ctx, &riverdriver.NotifyManyParams{Topic: "river_leadership", Payload: []string{string(payload)}})
}
