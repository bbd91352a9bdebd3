package postlude

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/errs"
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
	State   string // in a Report: dropped, canceled, unfinished
}

// TaskOf returns the task that ctx belongs to: the function of a task gets to know its own
// id, which serves as an idempotency key, and its attempt. It is false outside of tasks.
func TaskOf(ctx context.Context) (TaskInfo, bool) {
	a, ok := ctx.Value(taskctx.Key).(*attempt)
	if !ok {
		return TaskInfo{}, false
	}
	info := a.info()
	info.Attempt = a.number
	return info, true
}

func (t *task) info() TaskInfo {
	return TaskInfo{
		Name: t.name, ID: t.ID(), Func: t.function, Timing: t.when.String(),
		Shield: t.set.shield, Attempt: int(t.attempt.Load()),
	}
}

// Snapshot is the state of a runtime at one moment.
type Snapshot struct {
	Counts
	Workers  int           // goroutines that run tasks or wait for one
	Closing  bool          // Shutdown was called
	Tasks    []TaskStats   // by name
	Failures []FailureInfo // the last ones, the newest first
}

// TaskStats are the counts of the tasks of one name.
type TaskStats struct {
	Name string
	Counts
}

// FailureInfo describes a task that failed in the end, or was canceled.
type FailureInfo struct {
	TaskInfo
	Time        time.Time
	Kind        Kind
	ErrorType   string
	Message     string
	Stack       string
	Args        string // rendered as JSON, redacted
	Verdict     string
	Handler     string // that gave the verdict
	SpanContext trace.SpanContext
}

// Snapshot returns the state of the runtime. Its counts are of one moment.
func (rt *Runtime) Snapshot() Snapshot {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	s := Snapshot{Failures: rt.failures.newestFirst()}
	rt.queue.mu.Lock()
	defer rt.queue.mu.Unlock()
	s.Counts, s.Workers, s.Closing = rt.queue.tally.counts(), rt.queue.workers, rt.queue.closed
	for name, st := range rt.stats {
		s.Tasks = append(s.Tasks, TaskStats{name, st.tally.counts()})
	}
	slices.SortFunc(s.Tasks, func(a, b TaskStats) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// stats are the counts of one name. The queue's lock guards them.
type stats struct{ tally tally }

// maxNames bounds the names that are counted apart, and other takes the rest: who puts
// ids into names shall not run out of memory for it.
const (
	maxNames = 1024
	other    = "(other)"
)

func (rt *Runtime) statsOf(name string) *stats {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if _, known := rt.stats[name]; !known && len(rt.stats) >= maxNames {
		name = other
	}
	if rt.stats[name] == nil {
		rt.stats[name] = new(stats)
	}
	return rt.stats[name]
}

// failures is a ring of the last failures.
type failures struct {
	ring []FailureInfo
	next int
}

// maxFailures and the bounds on text keep the ring below a megabyte.
const (
	maxFailures = 64
	maxMessage  = 1 << 10
	maxStack    = 8 << 10
)

func (f *failures) add(info FailureInfo) {
	if len(f.ring) < maxFailures {
		f.ring = append(f.ring, info)
		return
	}
	f.ring[f.next] = info
	f.next = (f.next + 1) % maxFailures
}

func (f *failures) newestFirst() []FailureInfo {
	list := slices.Concat(f.ring[f.next:], f.ring[:f.next])
	slices.Reverse(list)
	return list
}

// rememberFailure keeps a failure for the snapshot.
func (rt *Runtime) rememberFailure(a *attempt) {
	f := a.failure
	_, args := a.shown()
	info := FailureInfo{
		TaskInfo: a.info(), Time: time.Now(), Kind: f.Kind, ErrorType: f.ErrorType,
		Message: head(errs.Text(f.Err), maxMessage), Stack: head(f.Stack, maxStack),
		Args: string(args), Verdict: a.verdict.action.String(), SpanContext: f.SpanContext,
	}
	if a.by != nil {
		info.Handler = a.by.name
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.failures.add(info)
}

func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// noteBlocked remembers a handler for the report, and forgets those that have returned.
func (rt *Runtime) noteBlocked(g *guard, handler string) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	maps.DeleteFunc(rt.blocked, func(g *guard, _ string) bool { return g.blocked.Load() == 0 })
	rt.blocked[g] = handler
}
