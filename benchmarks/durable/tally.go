package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// tally keeps when jobs started, by their numbers, and that each did once.
type tally struct {
	began    time.Time
	opened   time.Duration  // since began: when the first job was to be enqueued
	starts   []atomic.Int64 // since began; 0: not yet
	missing  atomic.Int64
	repeated atomic.Int64
	all      chan struct{} // closed when none is missing
}

func newTally(n int) *tally {
	t := &tally{began: time.Now(), starts: make([]atomic.Int64, n), all: make(chan struct{})}
	t.missing.Store(int64(n))
	return t
}

// started takes down the start of job n. It is what all variants do for a job.
func (t *tally) started(n int) {
	if !t.starts[n].CompareAndSwap(0, max(1, int64(time.Since(t.began)))) {
		t.repeated.Add(1)
		return
	}
	if t.missing.Add(-1) == 0 {
		close(t.all)
	}
}

// await waits until all jobs have started.
func (t *tally) await(ctx context.Context) error {
	select {
	case <-t.all:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d of %d jobs have not run: %w", t.missing.Load(), len(t.starts), context.Cause(ctx))
	}
}

// check says what is wrong in the end: all jobs must have run once, and be stored as done.
func (t *tally) check(ctx context.Context, q queue, jobs int) error {
	completed, err := q.jobs(ctx, "completed")
	if err != nil {
		return err
	}
	if n := t.repeated.Load(); n > 0 {
		return fmt.Errorf("%d jobs ran more than once", n)
	}
	if completed != jobs {
		return fmt.Errorf("%d jobs are stored as completed, of %d", completed, jobs)
	}
	return nil
}
