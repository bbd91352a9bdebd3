package riverdurable

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	patrolEvery = time.Second
	orphanEvery = 10 // rounds
	orphanAfter = 30 * time.Second
	// How long a look may come after the one before for what both saw to count as seen all
	// the time between. A process that stood still may have a fetch to go on with.
	orphanGap = 15 * time.Second
)

// patrol looks after rows that nobody works on, until the session is over.
func (s *session[TTx]) patrol() {
	var seen orphans
	for round := 1; ; round++ {
		// Sessions that began together do not sweep together.
		if !sleep(s.base, patrolEvery*4/5+rand.N(patrolEvery*2/5)) {
			return
		}
		ctx, cancel := context.WithTimeout(s.base, fetchTimeout)
		if s.claim != nil {
			s.claim.sweep(ctx)
		}
		cancel()
		if round%orphanEvery == 1 && s.guard.claimed.isOpen() {
			s.adopt(s.base, &seen, orphanAfter)
		}
	}
}

// adopt releases what has been an orphan for the time; and what sessions that have ended
// left in a file that is only ours. The database may be away: River says so.
func (s *session[TTx]) adopt(ctx context.Context, seen *orphans, after time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	running, err := s.engine.store.running(ctx, s.id)
	if err != nil {
		return
	}
	s.releaseOrphans(ctx, s.id, seen.look(s.guard.flights.strangers(running), time.Now(), after))
	if !s.engine.exclusive() {
		return
	}
	held, err := s.engine.store.holders(ctx)
	if err != nil {
		return
	}
	for holder, rows := range held {
		if !s.engine.works(holder) { // nor will it: an id is of one session
			s.releaseOrphans(ctx, holder, rows)
		}
	}
}

func (s *session[TTx]) releaseOrphans(ctx context.Context, holder string, attempts map[int64]int) {
	if len(attempts) == 0 {
		return
	}
	if n, err := s.engine.store.releaseHeld(ctx, holder, attempts); err == nil && n > 0 {
		s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: jobs that nobody worked on any more are available again", slog.Int("jobs", n))
	}
}

// orphans are rows that run in the session's name without being in flight: the answer to a
// fetch was lost, or River could not store an outcome. One that is just being fetched looks
// like that for a moment.
type orphans struct {
	rows map[int64]orphan
	last time.Time // the last look
}

type orphan struct {
	attempt int
	since   time.Time
}

// look returns those that have been there for the time.
func (o *orphans) look(strangers map[int64]int, now time.Time, after time.Duration) (due map[int64]int) {
	before := o.rows
	if now.Sub(o.last) > orphanGap {
		before = nil
	}
	o.rows, o.last, due = map[int64]orphan{}, now, map[int64]int{}
	for id, attempt := range strangers {
		old, known := before[id]
		if !known || old.attempt != attempt {
			o.rows[id] = orphan{attempt, now}
			continue
		}
		o.rows[id] = old
		if now.Sub(old.since) >= after {
			due[id] = attempt
		}
	}
	return due
}
