package postlude

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postlude/postlude/internal/taskctx"
)

// TaskInfo describes one task.
type TaskInfo struct {
	Name    string
	ID      string
	Func    string // the function's full name
	Timing  string // immediate, after_route, after_response
	Shield  bool
	Attempt int    // the last that began; 0 if none did
	State   string // see StateDropped and the others; "" where it goes without saying
}

// TaskOf returns the task that ctx belongs to: the function of a task gets to know its own
// id, which serves as an idempotency key, and its attempt. It is false outside of tasks.
func TaskOf(ctx context.Context) (TaskInfo, bool) {
	a, ok := ctx.Value(taskctx.Key).(*attempt)
	if !ok {
		return TaskInfo{}, false
	}
	info := a.info()
	info.Attempt = a.number()
	return info, true
}

func (t *task) info() TaskInfo { return t.infoAs(t.ID()) }

// infoAs is info where the id's text has been made already.
func (t *task) infoAs(id string) TaskInfo {
	return TaskInfo{
		Name: t.name, ID: id, Func: t.function, Timing: t.when.String(),
		Shield: t.set.shield, Attempt: int(t.attempt.Load()),
	}
}

// Snapshot is the state of a runtime at one moment.
type Snapshot struct {
	Counts
	Time    time.Time
	Started time.Time // when the runtime was made
	Closing bool      // Shutdown was called

	Workers    int           // goroutines that run tasks or wait for one
	MaxWorkers int           // Config.Workers
	Slots      int           // places of the queue that are taken
	MaxSlots   int           // Config.Queue
	OldestWait time.Duration // of the tasks that are ready: how long the first has waited for a worker

	Tasks    []TaskStats   // by name
	Busy     []TaskStatus  // those that run, the longest first, MaxListed at most
	Backoff  []TaskStatus  // those that wait for another attempt, the next first, MaxListed at most
	Failures []FailureInfo // the last ones, the newest first
	Blocked  []string      // error handlers that were given up on and have not returned
}

// MaxListed bounds the lists of single tasks in a Snapshot.
const MaxListed = 100

// TaskStats are the counts of the tasks of one name.
type TaskStats struct {
	Name string
	Counts
	Retries    uint64       // attempts that were followed by another, in this process
	Duration   Distribution // of the attempts that ended
	QueueDelay Distribution // from ready to run until started, of each attempt
}

// TaskStatus is a task that is not over.
type TaskStatus struct {
	TaskInfo
	Since   time.Time // running: when a worker took it
	Due     time.Time // retrying: when its next attempt is due
	Message string    // retrying: the error of the attempt before
}

// Snapshot returns the state of the runtime. Its counts are of one moment; it holds up
// nobody for longer than it takes to copy them.
func (rt *Runtime) Snapshot() Snapshot {
	s := Snapshot{Time: time.Now(), Started: rt.queue.epoch, MaxWorkers: rt.cfg.Workers, MaxSlots: rt.cfg.Queue}
	rt.mu.Lock()
	s.Failures, s.Blocked = rt.failures.newestFirst(), rt.blockedLocked()
	var running, retrying []listed
	names := make([]named, 0, len(rt.stats))
	rt.queue.read(func(q *queue) {
		s.Counts, s.Workers, s.Closing = q.tally.counts(), q.workers, q.closed
		s.Slots, s.OldestWait = q.live-q.guests, q.oldestWaitLocked()
		for name, st := range rt.stats {
			names = append(names, named{name, st, st.sum(), st.retries})
		}
		running, retrying = q.runningLocked(), q.retryingLocked()
	})
	rt.mu.Unlock()
	s.Tasks = statsOf(names)
	s.Busy, s.Backoff = statusOf(running, StateRunning), statusOf(retrying, StateRetrying)
	return s
}

// named is what is noted of a name under the lock: TaskStats are large, and are filled and
// sorted after that.
type named struct {
	name    string
	stats   *stats
	tally   tally
	retries uint64
}

func statsOf(names []named) []TaskStats {
	slices.SortFunc(names, func(a, b named) int { return strings.Compare(a.name, b.name) })
	tasks := make([]TaskStats, len(names))
	for i, n := range names {
		t := &tasks[i]
		t.Name, t.Counts, t.Retries = n.name, n.tally.counts(), n.retries
		t.Duration, t.QueueDelay = n.stats.ran.read(), n.stats.queued.read()
	}
	return tasks
}

// listed is what is noted of a task under the lock; its id is made after that. The message
// was made by the task's worker: an error's methods are user code, which may not be safe for
// another goroutine, and must not hold up who wants a Snapshot.
type listed struct {
	task    *task
	at      time.Time
	message string
}

func statusOf(list []listed, state string) []TaskStatus {
	var tasks []TaskStatus
	for _, l := range list {
		s := TaskStatus{TaskInfo: l.task.info(), Message: l.message}
		if s.State = state; state == StateRunning {
			s.Since = l.at
		} else {
			s.Due = l.at
		}
		tasks = append(tasks, s)
	}
	return tasks
}

// read has look at the queue under its lock.
func (q *queue) read(look func(*queue)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	look(q)
}

// oldestWaitLocked looks past the tasks that were settled while they waited.
func (q *queue) oldestWaitLocked() time.Duration {
	for t := q.backlog.peek(); t != nil; t = q.backlog.peek() {
		if t.state == ready {
			return time.Duration(q.now() - t.readyAt)
		}
		q.backlog.pop()
	}
	return 0
}

func (q *queue) runningLocked() (list []listed) {
	for t := q.busy.first; t != nil && len(list) < MaxListed; t = t.after {
		list = append(list, listed{task: t, at: q.epoch.Add(time.Duration(t.at))})
	}
	return list
}

// retryingLocked does not sort the whole heap: of its first entries, those that are due next
// are nearly all that are. It looks further if delayed tasks fill these, but not at a million.
func (q *queue) retryingLocked() (list []listed) {
	for i, t := range q.timers.tasks[:min(len(q.timers.tasks), 128*MaxListed)] {
		if i >= 8*MaxListed && len(list) >= min(MaxListed, q.tally[waitingRetry]) {
			break
		}
		if t.state == retrying {
			list = append(list, listed{task: t, at: q.epoch.Add(time.Duration(t.at)), message: t.past.message})
		}
	}
	slices.SortFunc(list, func(a, b listed) int { return a.at.Compare(b.at) })
	return list[:min(len(list), MaxListed)]
}

// noteBlocked remembers a handler for the report, and forgets those that have returned.
func (rt *Runtime) noteBlocked(g *guard, handler string) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	maps.DeleteFunc(rt.blocked, func(g *guard, _ string) bool { return g.blocked.Load() == 0 })
	rt.blocked[g] = handler
}

// blockedLocked returns the handlers that have not returned. The caller holds rt.mu.
func (rt *Runtime) blockedLocked() (names []string) {
	for g, name := range rt.blocked {
		if g.blocked.Load() > 0 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
