package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"

	"github.com/postlude/postlude/internal/pgtest"
)

const (
	tasks = 300
	takes = 200 * time.Millisecond
)

// moment is when a process is killed that has begun to work: at any time before it is
// through.
func moment() time.Duration { return 50*time.Millisecond + rand.N(time.Second) }

// TestKillSQLite: a process is killed at a random moment and started again.
func TestKillSQLite(t *testing.T) {
	var total tally
	for round := range *rounds {
		s := newSite(t, "sqlite", filepath.Join(t.TempDir(), "tasks.db"), takes)
		first := s.start(t, tasks)
		pause(t, moment())
		first.kill(t)
		began, _ := s.executions(t)
		again := time.Now()
		second := s.start(t, 0)
		s.await(t, tasks, slow*5*time.Second)
		total.add(t, s, round, len(began), time.Since(again))
		second.end(t)
		s.check(t)
	}
	t.Log(total)
}

// TestKillPostgres: the same, with another process that finds what was left behind.
func TestKillPostgres(t *testing.T) {
	server := pgtest.Start(t)
	var total tally
	for round := range *rounds {
		s := newSite(t, "postgres", server.URL(), takes)
		first := s.start(t, tasks)
		pause(t, moment())
		first.kill(t)
		began, _ := s.executions(t)
		again := time.Now()
		second := s.start(t, 0)
		s.await(t, tasks, slow*15*time.Second)
		total.add(t, s, round, len(began), time.Since(again))
		second.end(t)
		s.check(t)
	}
	t.Log(total)
}

// TestThreeWorkers: one is killed, one is stopped for longer than it takes to take the
// killed one for dead, and goes on: all tasks are done, those of the stopped one once.
func TestThreeWorkers(t *testing.T) {
	const many = 600
	s := newSite(t, "postgres", pgtest.Start(t).URL(), takes)
	web := s.open(t)
	stopped, killed, living := s.start(t, 0), s.start(t, 0), s.start(t, 0)
	web.enqueue(t, many)
	s.await(t, 100, slow*15*time.Second)
	stopped.signal(t, syscall.SIGSTOP)
	killed.kill(t)
	// Whatever the living one can have, it gets; the rest is held by the stopped one: what
	// it runs, and what it has done and could not tell, which is stored every 250 ms.
	web.awaitRunning(t, 3*atOnce, slow*20*time.Second)
	pause(t, 7*time.Second) // longer than the grace, in which a lock may be away
	stopped.signal(t, syscall.SIGCONT)
	// Usually a second or two. But if it was stopped while it fetched, for longer than a fetch
	// may take, it never learns what it was given, and that is available again when nobody has
	// worked on it for half a minute.
	s.await(t, many, slow*60*time.Second)
	for _, p := range []*process{stopped, living} {
		p.end(t)
	}
	web.end(t)
	s.check(t)
	_, by := s.executions(t)
	dead := strconv.Itoa(killed.Process.Pid)
	twice := 0
	for task, pids := range by {
		if len(pids) > 1 {
			twice++
			if !slices.Contains(pids, dead) {
				t.Errorf("task %s was done by %v, and %s is the one that was killed", task, pids, dead)
			}
		}
	}
	t.Logf("%d tasks, %d done twice", len(by), twice)
}

// tally is what came of all rounds.
type tally struct {
	rounds, twice int
	longest       time.Duration
}

func (y *tally) add(t *testing.T, s site, round, began int, took time.Duration) {
	t.Helper()
	times, _ := s.executions(t)
	twice := 0
	for _, n := range times {
		twice += n - 1
	}
	y.rounds, y.twice, y.longest = y.rounds+1, y.twice+twice, max(y.longest, took)
	t.Logf("round %d: killed after %d of %d tasks; all done %v after the restart, %d twice", round+1, began, tasks, took.Round(time.Millisecond), twice)
}

func (y tally) String() string {
	return fmt.Sprintf("%d rounds of %d tasks: 0 lost, %d done twice, at most %v", y.rounds, tasks, y.twice, y.longest.Round(time.Millisecond))
}

// check finds what was lost or left over, when the processes have ended.
func (s site) check(t *testing.T) {
	t.Helper()
	b, err := open(t.Context(), s.kind, s.db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	}()
	times, _ := s.executions(t)
	if effects, err := b.count(t.Context()); err != nil || effects != len(times) {
		t.Errorf("%d effects of %d tasks, %v", effects, len(times), err)
	}
	queues, err := b.Queues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		if q.Oldest = 0; q != (durable.QueueStats{Queue: q.Queue}) {
			t.Errorf("left over: %+v", q)
		}
	}
}

// web is a process that only enqueues: this one.
type web struct {
	*backend
	rt   *postlude.Runtime
	task *postlude.Task[int]
}

func (s site) open(t *testing.T) *web {
	t.Helper()
	b, err := open(t.Context(), s.kind, s.db)
	if err != nil {
		t.Fatal(err)
	}
	w := &web{backend: b, task: define(func(context.Context, int) error { return nil })}
	if w.rt, err = postlude.New(postlude.Config{Engine: b.Engine, EnqueueOnly: true, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *web) enqueue(t *testing.T, n int) {
	t.Helper()
	if err := enqueue(w.rt, w.task, strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
}

// awaitRunning waits until nothing waits, and n tasks run at most: those that a stopped
// process holds.
func (w *web) awaitRunning(t *testing.T, n int, d time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(d); ; pause(t, 100*time.Millisecond) {
		queues, err := w.Queues(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var sum durable.QueueStats
		for _, q := range queues {
			sum.Available += q.Available + q.Retrying + q.Scheduled
			sum.Running += q.Running
		}
		if sum.Available == 0 && sum.Running > 0 && sum.Running <= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %+v", d, sum)
		}
	}
}

func (w *web) end(t *testing.T) {
	t.Helper()
	if _, err := w.rt.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}

// pause lets another process work. What happens there is awaited elsewhere; this only
// chooses a moment.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
