package riverdurable

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

const (
	// A try to have the lock back is given longer each time it was not long enough: making a
	// connection may take seconds, and so may getting one of the pool's.
	firstPatience = 2 * time.Second
	lastPatience  = 15 * time.Second
)

// outage is the time from when the lock of a claim is found to be lost until it is back, and
// all that others took in the meantime is known.
type outage struct {
	*pgClaim
	began time.Time
	// since when the lock is not held. It counts from when that is found, not from the last
	// sign of life: a process that was stopped for a while has missed its heartbeats, but
	// neither its lock nor its jobs are gone.
	since   time.Time
	held    bool // but what others took is not known yet
	why     error
	expired bool
}

func newOutage(c *pgClaim, why error) *outage {
	now := time.Now()
	return &outage{pgClaim: c, began: now, since: now, why: why}
}

// overcome says false if ctx ended before.
func (o *outage) overcome(ctx context.Context) bool {
	for patience := firstPatience; ctx.Err() == nil; {
		err := o.try(ctx, patience)
		if err == nil {
			return ctx.Err() == nil
		}
		if errors.Is(err, context.DeadlineExceeded) {
			patience = min(2*patience, lastPatience)
		}
		o.why = err
		o.expire(ctx)
		sleep(ctx, retakeEvery)
	}
	return false
}

// try takes the lock, unless an earlier try did, and then finds out which jobs others have
// taken. With the lock held nobody takes more: a sweeper takes it, too, while it takes jobs.
func (o *outage) try(ctx context.Context, patience time.Duration) error {
	if !o.held {
		err := alongside(ctx, patience, o.lock.take, retakeEvery, func() error { o.expire(ctx); return nil })
		if err != nil {
			return err
		}
		o.held, o.since = true, time.Now()
	}
	backend := o.lock.backend // the lock itself is for the heartbeats
	err := alongside(ctx, patience, func(ctx context.Context) error { return o.verify(ctx, backend) }, heartbeat,
		func() error { return o.stillHeld(ctx) })
	if errors.Is(err, errElsewhere) { // what was taken is not the lock
		o.lock.drop()
		o.held, o.since = false, o.began
		o.complain(ctx, err)
	}
	if err != nil {
		return err
	}
	return o.stillHeld(ctx)
}

// stillHeld has the time begin anew if the lock is lost again.
func (o *outage) stillHeld(ctx context.Context) error {
	err := o.beat(ctx)
	o.held, o.since = err == nil, time.Now()
	return err
}

// verify goes through the pool, and waits for it.
func (o *outage) verify(ctx context.Context, backend int32) error {
	if err := o.lock.confirm(ctx, o.s.engine.store.db, backend); err != nil {
		return err
	}
	taken, err := o.s.guard.flights.verify(func() (map[int64]int, error) { return o.s.guard.running(ctx) }, durable.ErrLost)
	if taken > 0 {
		o.s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: jobs were taken over by others while the lock was lost", slog.Int("jobs", taken))
	}
	return err
}

// expire cancels all attempts when the lock has been away for too long, again and again:
// what was being fetched when it got lost may have come later.
func (o *outage) expire(ctx context.Context) {
	if o.held || time.Since(o.since) < o.lossAfter {
		return
	}
	n := o.s.guard.flights.cancelAll(durable.ErrLost)
	if o.expired && n == 0 {
		return
	}
	o.expired = true
	o.s.log.LogAttrs(ctx, slog.LevelError, "riverdurable: the lock could not be had back in time: all attempts are canceled", slog.Int("attempts", n), slog.String("exception.message", o.why.Error()))
}

// alongside calls do with a context that ends with its patience, and tick every now and then
// until do returns. An error of tick ends do early, and is returned.
func alongside(ctx context.Context, patience time.Duration, do func(context.Context) error, every time.Duration, tick func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			if err := tick(); err != nil {
				cancel()
				<-done
				return err
			}
		}
	}
}
