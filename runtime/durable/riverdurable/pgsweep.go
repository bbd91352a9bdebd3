package riverdurable

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

const (
	// sweepCounts is how much of the time between two sweeps counts at most. What became of
	// a lock between sweeps that are far apart nobody knows; and when the database was away,
	// all have lost their locks, and need time to have them back.
	sweepCounts = 1500 * time.Millisecond
	sweepLate   = 3 * time.Second  // between two sweeps
	sweepsBad   = 30 * time.Second // how long they may fail or be late before it is said
)

// sweeper takes over the jobs of sessions that have been without their locks for the
// grace. It is for one goroutine.
type sweeper struct {
	store store
	id    string // of the session that sweeps
	keys  string // see keySpace
	grace time.Duration
	log   *slog.Logger

	dead  map[string]time.Duration // for how long a session was seen without its lock
	last  time.Time                // the begin of the last sweep that saw anything
	ended time.Time                // and its end

	bad    time.Time // since when sweeps fail or are late; zero: they don't
	told   bool      // of that
	shared bool      // it was told that others use the tables, too
}

// unlocked lists the sessions of ours that have running rows, or lead, without a lock; and
// a leader that is none of ours.
const unlocked = `WITH holders AS (
SELECT DISTINCT attempted_by[array_upper(attempted_by, 1)] AS id FROM river_job WHERE state = 'running'
UNION SELECT leader_id FROM river_leader)
SELECT id FROM holders WHERE id LIKE $1 || '%' AND id <> $2 AND hashtextextended($3 || id, 0) NOT IN (
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE ` + sessionLocks + `)
UNION SELECT leader_id FROM river_leader WHERE leader_id NOT LIKE $1 || '%'`

func (s *sweeper) sweep(ctx context.Context) {
	var ids []string
	begun := time.Now()
	err := s.store.db.query(ctx, unlocked, []any{idPrefix, s.id, s.keys}, func(scan scanner) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	s.watch(ctx, begun, err)
	if err != nil {
		return
	}
	for _, id := range s.count(s.ours(ctx, ids), begun, time.Now()) {
		if err := s.inherit(ctx, id); err != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "riverdurable: the jobs of a dead process could not be taken over; it will be tried again",
				slog.String("process", id), slog.String("exception.message", err.Error()))
		}
	}
}

// watch says once that the sweeps have failed or been late for long.
func (s *sweeper) watch(ctx context.Context, begun time.Time, err error) {
	if err == nil && time.Since(s.last) <= sweepLate {
		s.bad, s.told = time.Time{}, false
		return
	}
	if s.bad.IsZero() {
		s.bad = begun
	}
	if s.told || time.Since(s.bad) < sweepsBad {
		return
	}
	s.told = true
	why := "they are late: the database, or the pool, is slow"
	if err != nil {
		why = err.Error()
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: the looks for dead processes fail or take long, so that the jobs of one wait longer", slog.String("exception.message", why))
}

// ours leaves out a leader that is none of ours, and says once what follows from it.
func (s *sweeper) ours(ctx context.Context, ids []string) (ours []string) {
	for _, id := range ids {
		switch {
		case strings.HasPrefix(id, idPrefix):
			ours = append(ours, id)
		case !s.shared:
			s.shared = true
			s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: another application uses the same River tables, and will discard or delete jobs of this one, which does so to its jobs, too: give each a schema of its own (search_path)", slog.String("leader", id))
		}
	}
	return ours
}

// count counts the time in which the ids were seen without locks, and returns those for
// which that is the grace. It counts from the begin of one sweep to that of the next; but
// from the end of the first one, when the lock was surely lost already.
func (s *sweeper) count(ids []string, begun, ended time.Time) (due []string) {
	seen := make(map[string]time.Duration, len(ids))
	for _, id := range ids {
		age, known := s.dead[id]
		switch {
		case known && age == 0:
			age = min(begun.Sub(s.ended), sweepCounts)
		case known:
			age += min(begun.Sub(s.last), sweepCounts)
		}
		if age >= s.grace {
			due = append(due, id) // and counts from the start, should it fail
			continue
		}
		seen[id] = age
	}
	s.dead, s.last, s.ended = seen, begun, ended
	return due
}

// inherit takes the lock of the dead while it takes the jobs: one who comes back to life has
// to wait, and then sees what is left.
func (s *sweeper) inherit(ctx context.Context, id string) error {
	var n int
	var locked bool
	err := s.store.db.inTx(ctx, func(tx database, river riverdriver.Executor) error {
		err := tx.query(ctx, "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", []any{s.keys + id},
			func(scan scanner) error { return scan(&locked) })
		if err != nil || !locked {
			return err
		}
		n, err = s.store.inherit(ctx, tx, river, id)
		return err
	})
	if err == nil && locked {
		s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: a process is dead, and its jobs are available again", slog.String("process", id), slog.Int("jobs", n))
	}
	return err
}

// inherit releases what the dead held, jobs and the leadership, for one who has its lock.
func (s store) inherit(ctx context.Context, tx database, river riverdriver.Executor, id string) (int, error) {
	n, err := s.release(ctx, tx, river, s.dialect.holder+" = $1", id)
	if err != nil {
		return 0, err
	}
	led, err := tx.exec(ctx, "DELETE FROM river_leader WHERE leader_id = $1", id)
	if err != nil || led == 0 {
		return n, err
	}
	return n, electAnother(ctx, river, id)
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
