package riverdurable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postlude/postlude/runtime/durable"
)

const (
	heartbeat    = 500 * time.Millisecond
	heartTimeout = time.Second
	// From when the connection is found to be lost, at most 1.5 s after it was, to when the
	// attempts are canceled. Others take the jobs after the grace of 4 s or more, so that an
	// attempt has a second or two to end.
	lossAfter   = 1500 * time.Millisecond
	retakeEvery = 250 * time.Millisecond
	// How long the id of a process may still be held by the one before it, whose connection
	// lingers, or by one that sweeps up after it.
	startWait = 10 * time.Second
)

// pgClaim is a lock of the session's id, and the goroutine that keeps it.
type pgClaim struct {
	s       *session[pgx.Tx]
	lock    *pgLock
	sweeper sweeper
	end     context.CancelFunc
	done    chan struct{}

	pooler time.Time // when the pooler was last complained of
}

func claimPostgres(ctx context.Context, s *session[pgx.Tx], connect func(context.Context) (*pgx.Conn, error)) (claim, error) {
	c := &pgClaim{s: s, lock: &pgLock{id: s.id, connect: connect}, done: make(chan struct{})}
	c.sweeper = sweeper{store: s.engine.store, id: s.id, grace: s.engine.grace, log: s.log}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	run, end := context.WithCancel(context.Background())
	c.end = end
	go c.keep(run)
	return c, nil
}

// begin takes the lock, and what a process of the same id left when it died.
func (c *pgClaim) begin(ctx context.Context) error {
	deadline := time.Now().Add(startWait)
	for {
		err := c.lock.take(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, errHeld) {
			return fmt.Errorf("taking the lock of process %q: %w", c.s.id, err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another process works as %q: each needs a ProcessID of its own", c.s.id)
		}
		if !sleep(ctx, retakeEvery) {
			return ctx.Err()
		}
	}
	if _, err := c.s.engine.store.releaseHeld(ctx, c.s.id, nil); err != nil {
		c.lock.release()
		return fmt.Errorf("taking up the jobs of process %q: %w", c.s.id, err)
	}
	return nil
}

// keep holds the lock until the claim ends.
func (c *pgClaim) keep(ctx context.Context) {
	defer close(c.done)
	for sleep(ctx, heartbeat) {
		beat, cancel := context.WithTimeout(ctx, heartTimeout)
		err := c.lock.check(beat)
		cancel()
		if err != nil && ctx.Err() == nil {
			c.regain(ctx, err)
		}
	}
}

// regain is for when the lock may be lost. Nothing is fetched or stored until it is back.
// The attempts are canceled if that takes too long, counted from here and not from the last
// sign of life: a process that was stopped for a while has missed its heartbeats, but
// neither its lock nor its jobs are gone.
func (c *pgClaim) regain(ctx context.Context, why error) {
	guard, since, canceled := c.s.guard, time.Now(), false
	guard.claimed.set(false)
	c.complain(ctx, why)
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, heartTimeout)
		err := c.retake(try)
		cancel()
		if err == nil {
			guard.claimed.set(true)
			c.s.log.LogAttrs(ctx, slog.LevelInfo, "riverdurable: the lock is back, and the work goes on", slog.Duration("after", time.Since(since)))
			return
		}
		if !canceled && time.Since(since) >= lossAfter {
			canceled = true
			n := guard.flights.cancelAll(durable.ErrLost)
			c.s.log.LogAttrs(ctx, slog.LevelError, "riverdurable: the lock could not be had back in time: all attempts are canceled", slog.Int("attempts", n), slog.Any("exception.message", err.Error()))
		}
		sleep(ctx, retakeEvery)
	}
}

// retake gets the lock back, and finds out which jobs others took in the meantime. With the
// lock held nobody takes more: a sweeper takes it, too, while it takes jobs.
func (c *pgClaim) retake(ctx context.Context) error {
	if err := c.lock.take(ctx); err != nil {
		return err
	}
	taken, err := c.s.guard.flights.verify(func() (map[int64]int, error) { return c.s.guard.running(ctx) }, durable.ErrLost)
	if err != nil {
		return err
	}
	if taken > 0 {
		c.s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: jobs were taken over by others while the lock was lost", slog.Int("jobs", taken))
	}
	return nil
}

func (c *pgClaim) complain(ctx context.Context, why error) {
	level := slog.LevelWarn
	if errors.Is(why, errPooler) {
		if time.Since(c.pooler) < time.Minute {
			return
		}
		c.pooler, level = time.Now(), slog.LevelError
	}
	c.s.log.LogAttrs(ctx, level, "riverdurable: the connection that holds the lock of this process is lost", slog.String("exception.message", why.Error()))
}

// sweep is for one who has the lock: what he sees of others is worth something then.
func (c *pgClaim) sweep(ctx context.Context) {
	if c.s.guard.claimed.isOpen() {
		c.sweeper.sweep(ctx)
	}
}

func (c *pgClaim) release() {
	c.end()
	<-c.done
	c.lock.release()
}
