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
)

// orphan is a row that runs in the session's name without being in flight: the answer to
// a fetch was lost, or River could not store an outcome.
type orphan struct {
	attempt int
	since   time.Time
}

// patrol looks after rows that nobody works on, until the session is over.
func (s *session[TTx]) patrol() {
	orphans := map[int64]orphan{}
	for round := 1; ; round++ {
		// Sessions that began together do not sweep together.
		if !sleep(s.base, patrolEvery*4/5+rand.N(patrolEvery*2/5)) {
			return
		}
		ctx, cancel := context.WithTimeout(s.base, fetchTimeout)
		if s.claim != nil {
			s.claim.sweep(ctx)
		}
		if round%orphanEvery == 0 && s.guard.claimed.isOpen() {
			s.adopt(ctx, orphans, orphanAfter)
		}
		cancel()
	}
}

// adopt releases what has been an orphan for the time. A row that is just being fetched
// looks like one for a moment.
func (s *session[TTx]) adopt(ctx context.Context, orphans map[int64]orphan, after time.Duration) {
	running, err := s.engine.store.running(ctx, s.id)
	if err != nil {
		return // the database is away; River says so
	}
	strangers, due := s.guard.flights.strangers(running), map[int64]int{}
	for id, o := range orphans {
		if attempt, ok := strangers[id]; !ok || attempt != o.attempt {
			delete(orphans, id)
		}
	}
	for id, attempt := range strangers {
		o, known := orphans[id]
		if !known {
			orphans[id] = orphan{attempt, time.Now()}
		} else if time.Since(o.since) >= after {
			due[id] = attempt
		}
	}
	if len(due) == 0 {
		return
	}
	if n, err := s.engine.store.releaseHeld(ctx, s.id, due); err == nil && n > 0 {
		s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: jobs that nobody worked on any more are available again", slog.Int("jobs", n))
	}
}
