package riverdurable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver"
)

const (
	heartbeat   = 500 * time.Millisecond
	retakeEvery = 250 * time.Millisecond
	// How long the id of a process may still be held by the one before it, whose connection
	// lingers, or by one that sweeps up after it.
	startWait = 10 * time.Second
)

// timing is what follows from the grace: when others take the jobs, the attempts must have
// had two fifths of it to end.
type timing struct {
	heartTimeout time.Duration // for the answer to a heartbeat
	lossAfter    time.Duration // from when the lock is found to be lost to when the attempts are canceled
}

// timingFor counts on the lock being found to be lost a heartbeat and its timeout after it
// was. With the least grace, 4 s, there are 1.1 s left to have it back, with 5 s 1.5 s.
func timingFor(grace time.Duration) timing {
	t := timing{heartTimeout: min(grace/5, 5*time.Second)}
	t.lossAfter = grace*3/5 - heartbeat - t.heartTimeout
	return t
}

// locking is what the sessions of an engine take their locks with.
type locking struct {
	connect func(context.Context) (*pgx.Conn, error)
	keys    string // begins their keys, see keySpace
}

// pgClaim is a lock of the session's id, and the goroutine that keeps it.
type pgClaim struct {
	timing
	s       *session[pgx.Tx]
	lock    *pgLock
	sweeper sweeper
	end     context.CancelFunc
	done    chan struct{}

	complained time.Time // of what is wrong until somebody changes it
}

func claimPostgres(ctx context.Context, s *session[pgx.Tx], l locking) (claim, error) {
	c := &pgClaim{
		s: s, timing: timingFor(s.engine.grace), done: make(chan struct{}),
		lock:    &pgLock{key: l.keys + s.id, connect: l.connect},
		sweeper: sweeper{store: s.engine.store, id: s.id, keys: l.keys, grace: s.engine.grace, log: s.log},
	}
	if err := c.begin(ctx); err != nil {
		c.lock.release()
		return nil, err
	}
	run, end := context.WithCancel(context.Background())
	c.end = end
	go c.keep(run)
	return c, nil
}

// begin takes the lock, and what a process of the same id left when it died.
func (c *pgClaim) begin(ctx context.Context) error {
	if err := c.first(ctx); err != nil {
		return err
	}
	if err := c.lock.confirm(ctx, c.s.engine.store.db, c.lock.backend); err != nil {
		return fmt.Errorf("looking for the lock of process %q: %w", c.s.id, err)
	}
	if c.lock.pooled {
		c.s.log.LogAttrs(ctx, slog.LevelWarn, "riverdurable: the connection that holds the lock of this process seems to go through a pooler; unless that keeps one server connection for each client, give a direct one with LockConnection")
	}
	err := c.s.engine.store.db.inTx(ctx, func(tx database, river riverdriver.Executor) error {
		_, err := c.s.engine.store.inherit(ctx, tx, river, c.s.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("taking up the jobs of process %q: %w", c.s.id, err)
	}
	return nil
}

// first takes the lock for the first time.
func (c *pgClaim) first(ctx context.Context) error {
	for deadline := time.Now().Add(startWait); ; {
		err := c.lock.take(ctx)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errHeld):
			return fmt.Errorf("taking the lock of process %q: %w", c.s.id, err)
		case time.Now().After(deadline):
			return fmt.Errorf("another process works as %q: each needs a ProcessID of its own", c.s.id)
		case !sleep(ctx, retakeEvery):
			return ctx.Err()
		}
	}
}

// keep holds the lock until the claim ends.
func (c *pgClaim) keep(ctx context.Context) {
	defer close(c.done)
	for sleep(ctx, heartbeat) {
		if err := c.beat(ctx); err != nil && ctx.Err() == nil {
			c.regain(ctx, err)
		}
	}
}

// beat finishes even if the claim ends meanwhile: a statement that is broken off takes the
// connection with it, and release could not free the lock.
func (c *pgClaim) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.heartTimeout)
	defer cancel()
	return c.lock.check(ctx)
}

// regain is for when the lock may be lost. Nothing is fetched or stored until it is back.
func (c *pgClaim) regain(ctx context.Context, why error) {
	c.s.guard.claimed.set(false)
	c.complain(ctx, why)
	o := newOutage(c, why)
	if !o.overcome(ctx) {
		return // the claim ends
	}
	c.s.guard.claimed.set(true)
	c.s.log.LogAttrs(ctx, slog.LevelInfo, "riverdurable: the lock is back, and the work goes on", slog.Duration("after", time.Since(o.began)))
}

func (c *pgClaim) complain(ctx context.Context, why error) {
	level := slog.LevelWarn
	if errors.Is(why, errPooler) || errors.Is(why, errElsewhere) { // which happens again and again
		if time.Since(c.complained) < time.Minute {
			return
		}
		c.complained, level = time.Now(), slog.LevelError
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
