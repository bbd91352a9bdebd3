package postlude

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Report tells what Shutdown found and did: nothing vanishes silently.
type Report struct {
	Counts
	// Leftovers are the tasks that shutdown dropped or canceled and those that are
	// unfinished, see TaskInfo.State. The unfinished ones go on, as long as the process
	// lives: a goroutine can't be ended from outside.
	Leftovers []TaskInfo
	// Blocked are the error handlers that were given up on and have not returned, or whose
	// work or notifiers have not.
	Blocked []string
	// Elapsed is how long Shutdown took.
	Elapsed time.Duration
}

// The values of TaskInfo.State: in a Report the first four, in a Snapshot the others and
// the first two.
const (
	StateDropped    = "dropped"    // never started, or not again; given up by a handler
	StateCanceled   = "canceled"   // its context was canceled, and it failed
	StateUnfinished = "unfinished" // still runs
	StateRequeued   = "requeued"   // durable, and handed back to its queue

	StateRunning  = "running"
	StateRetrying = "retrying" // waits for another attempt
	StateFailed   = "failed"
	StateRescued  = "rescued" // its fallback succeeded
)

// drain is what successive calls of Shutdown share.
type drain struct {
	turn      chan struct{} // held by the call that drains
	begun     bool
	leftovers []TaskInfo // guarded by Runtime.mu
}

func (d *drain) init() { d.turn = make(chan struct{}, 1) }

// enter waits for its turn, until ctx ends. A turn that is free is taken in any case:
// also with a context that has ended, shutdown drops and reports.
func (d *drain) enter(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *drain) leave() { <-d.turn }

// Shutdown ends the runtime. It admits no more tasks (ErrShuttingDown), lets those that
// are admitted go on for Config.Grace, then cancels the unshielded ones that run and
// drops those that wait. Shielded tasks, queued, running, or waiting for a retry,
// finish. Then the error handlers are flushed (ForceFlush), and all workers end.
//
// Durable tasks go back to their queue: no more are delivered, the unshielded ones that
// run are canceled and handed back, their attempt not counted, unless they finish all the
// same; shielded ones finish. Those that wait for their timing are enqueued then.
//
// Shutdown blocks until that is done or ctx ends. In that case the shielded tasks that
// still wait are dropped, those that run are left to themselves and reported, and the
// error is ctx's. A context that has ended already still drops and reports.
//
// Shut the HTTP server down first, as requests schedule tasks, and the TracerProvider
// last, as it gives no ids to spans after its own shutdown. A second call waits for the
// first, takes what is left, and reports on the whole; if its ctx ends before that of the
// first, it is over for both. A task must not call Shutdown or Wait, as they wait for it.
func (rt *Runtime) Shutdown(ctx context.Context) (Report, error) {
	start := time.Now()
	rt.queue.close()
	stopped := rt.stopWork(ctx)
	err := rt.drain.enter(ctx)
	if err == nil {
		defer rt.drain.leave()
		if !rt.drain.begun {
			rt.drain.begun = true
			rt.grace(ctx)
		}
		rt.sweep(false)
		err = rt.Wait(ctx)
	}
	if err != nil {
		rt.sweep(true)
		err = fmt.Errorf("postlude: shutdown: %w", err)
	}
	if unstored := stopped(); err == nil && unstored != nil {
		err = unstored
	}
	rt.queue.stop()
	rt.flush(ctx)
	r := rt.report(start)
	rt.logShutdown(r)
	return r, err
}

// grace lets all tasks go on for a while.
func (rt *Runtime) grace(ctx context.Context) {
	if rt.cfg.Grace == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, rt.cfg.Grace)
	defer cancel()
	_ = rt.Wait(ctx)
}

// sweep cancels the unshielded tasks that run and drops those that wait. The last sweep
// drops the shielded ones that wait, too.
func (rt *Runtime) sweep(last bool) {
	dropped, run := rt.queue.sweep(last)
	for _, t := range run {
		t.stop(ErrShuttingDown)
	}
	reason := taskconv.ReasonShutdown
	if last {
		reason = taskconv.ReasonDeadline
	}
	rt.dropAll(dropped, reason)
}

// sweep takes out the waiting tasks, and returns them and the unshielded ones that run.
// They get their fate from the caller, as that is to be recorded first. After the last
// sweep, no task waits for a retry: nobody would be there to run it.
func (q *queue) sweep(last bool) (waiting, run []*task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = q.stopped || last
	q.busy.all(func(t *task) {
		if !t.finishes(last) {
			run = append(run, t)
		}
	})
	q.waiting.all(func(t *task) {
		if !t.finishes(last) {
			q.leaveLocked(t)
			q.count(t, pending, +1) // until its fate is recorded: Counts always add up
			waiting = append(waiting, t)
		}
	})
	return waiting, run
}

// finishes tells whether a sweep leaves the task alone. A durable one that waits to be
// enqueued is, whatever its shield: nobody else can do that.
func (t *task) finishes(last bool) bool {
	return (t.set.shield || t.out != nil) && (!last || t.state == running)
}

// dropAll records and publishes that tasks were dropped. It does so on a goroutine of
// its own, and on another should user code end that: an argument's LogValue may.
func (rt *Runtime) dropAll(tasks []*task, reason string) {
	for len(tasks) > 0 {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for len(tasks) > 0 {
				t := tasks[0]
				tasks = tasks[1:]
				rt.drop(t, reason)
			}
		}()
		<-ended
	}
}

func (rt *Runtime) drop(t *task, reason string) {
	defer rt.queue.dropped(t)
	rt.leave(t, StateDropped)
	rt.countDropped(t.ctx, t, reason)
	level := slog.LevelWarn
	if t.set.shield || t.out != nil {
		level = slog.LevelError // a promise was broken
	}
	t.emit(t.ctx, int(t.attempt.Load()), level, taskconv.EventDropped, "task dropped by shutdown",
		slog.String(taskconv.TaskOutcome, taskconv.OutcomeDropped),
		slog.String(taskconv.LogReason, reason))
}

// dropped publishes the fate of a task that sweep took out.
func (q *queue) dropped(t *task) {
	_ = t.begin()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(t, pending, -1)
	err := fmt.Errorf("%w: task %q was dropped before it ran", ErrShuttingDown, t.name)
	if past := t.failures(); t.attempt.Load() > 0 && len(past) > 0 {
		err = fmt.Errorf("%w: task %q was dropped before its retry: %w", ErrShuttingDown, t.name, past[len(past)-1].Err)
	}
	q.enterFateLocked(t, dropped, err)
}

// settle gives the task its fate after an attempt.
func (rt *Runtime) settle(t *task, f fate, err error) {
	if f == canceled && rt.queue.isClosed() {
		rt.leave(t, StateCanceled)
	}
	rt.queue.settle(t, f, err)
}

// leave notes a task for the report.
func (rt *Runtime) leave(t *task, state string) {
	info := t.info()
	info.State = state
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.drain.leftovers = append(rt.drain.leftovers, info)
}

func (rt *Runtime) report(start time.Time) Report {
	counts, unfinished := rt.queue.unfinished()
	rt.mu.Lock()
	defer rt.mu.Unlock()
	r := Report{Counts: counts, Elapsed: time.Since(start), Leftovers: slices.Clone(rt.drain.leftovers)}
	for _, t := range unfinished {
		info := t.info()
		info.State = StateUnfinished
		r.Leftovers = append(r.Leftovers, info)
	}
	r.Blocked = rt.blockedLocked()
	return r
}

func (rt *Runtime) logShutdown(r Report) {
	level := slog.LevelInfo
	if len(r.Leftovers) > 0 || len(r.Blocked) > 0 {
		level = slog.LevelWarn
	}
	rt.event(context.Background(), level, taskconv.EventShutdown, "runtime shut down",
		slog.Int(taskconv.LogScheduled, r.Scheduled),
		slog.Int(taskconv.LogSucceeded, r.Succeeded),
		slog.Int(taskconv.LogFailed, r.Failed),
		slog.Int(taskconv.LogCanceled, r.Canceled),
		slog.Int(taskconv.LogDropped, r.Dropped),
		slog.Int(taskconv.LogUnfinished, r.Running+r.Pending+r.Retrying),
		slog.Int(taskconv.LogEnqueued, r.Enqueued),
		slog.Int(taskconv.LogRequeued, r.Requeued),
		slog.Float64(taskconv.LogElapsedMS, tasklog.Milliseconds(r.Elapsed)))
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

func (q *queue) unfinished() (Counts, []*task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var left []*task
	q.busy.all(func(t *task) { left = append(left, t) })
	q.waiting.all(func(t *task) {
		if t.state == retrying {
			left = append(left, t)
		}
	})
	return q.tally.counts(), left
}
