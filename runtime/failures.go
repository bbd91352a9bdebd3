package postlude

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// FailureInfo describes a task that failed in the end, was canceled or given up, or was
// rescued by its fallback: TaskInfo.State tells. It is all text, so that nothing of the
// task's is kept.
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
	Escalation  string // taskconv.EscalationStarted or EscalationSuppressed; "" for none
	SpanContext trace.SpanContext
	TraceURL    string        // by Config.TraceURL; "" without that
	Attempts    []AttemptInfo // those that failed, the last one last; a fallback is one of them
}

// AttemptInfo describes a failed attempt.
type AttemptInfo struct {
	Attempt     int  // 0 if a durable task could not be enqueued
	Fallback    bool // of the task: it has no number of its own
	Start       time.Time
	Elapsed     time.Duration
	Kind        Kind
	ErrorType   string
	Message     string
	Verdict     string
	Handler     string
	SpanContext trace.SpanContext
}

// The bounds of what is kept: below a few megabytes, whatever fails.
const (
	maxFailures       = 64
	maxMessage        = 1 << 10
	maxStack          = 8 << 10
	maxArgs           = 8 << 10
	maxAttemptMessage = 256
)

// failures are the last ones. A failure is written into the place of an older one, which it
// takes over with its memory: in a storm, each of thousands a second is kept for a moment.
type failures struct {
	list   []*keptFailure // in any order
	names  map[string]*nameCount
	number uint64 // of the last
}

type keptFailure struct {
	FailureInfo
	number uint64
	of     *nameCount
}

// nameCount is how many of one name there are. It spares looking at the names.
type nameCount struct{ n int }

// place returns where the next failure of a name is to be written. It makes room by
// dropping the oldest of the name that has the most: a task that fails all the time must not
// hide one that failed once.
func (f *failures) place(name string) *keptFailure {
	k := f.oldestOfMost()
	if len(f.list) < maxFailures {
		k = new(keptFailure)
		f.list = append(f.list, k)
	} else if k.of.n--; k.of.n == 0 {
		delete(f.names, k.Name)
	}
	if f.names == nil {
		f.names = map[string]*nameCount{}
	}
	if k.of = f.names[name]; k.of == nil {
		k.of = new(nameCount)
		f.names[name] = k.of
	}
	k.of.n++
	f.number++
	k.number = f.number
	return k
}

func (f *failures) oldestOfMost() (oldest *keptFailure) {
	for _, k := range f.list {
		if oldest == nil || k.of.n > oldest.of.n || k.of.n == oldest.of.n && k.number < oldest.number {
			oldest = k
		}
	}
	return oldest
}

// newestFirst copies them: a place is written again.
func (f *failures) newestFirst() []FailureInfo {
	sorted := slices.SortedFunc(slices.Values(f.list), func(a, b *keptFailure) int { return cmp.Compare(b.number, a.number) })
	list := make([]FailureInfo, len(sorted))
	for i, k := range sorted {
		list[i] = k.FailureInfo
		list[i].Attempts = slices.Clone(k.Attempts)
	}
	return list
}

// rememberFailure keeps a failure for the snapshot. The texts are made before the lock is
// taken: an error's methods are user code.
func (rt *Runtime) rememberFailure(a *attempt, state string) {
	f := a.failure
	info := FailureInfo{
		TaskInfo: f.info, Time: time.Now(), Kind: f.Kind, ErrorType: f.ErrorType,
		Message: head(f.Message(), maxMessage), Stack: head(f.Stack, maxStack), Args: head(a.text().args.String(), maxArgs),
		Verdict: a.verdict.action.String(), Escalation: a.escalation, SpanContext: f.SpanContext, TraceURL: f.TraceURL,
	}
	info.State = state
	if a.by != nil {
		info.Handler = a.by.name
	}
	var space [2]AttemptInfo // what most have: the second is a fallback's
	attempts := a.attempts(space[:0])
	rt.mu.Lock()
	defer rt.mu.Unlock()
	k := rt.failures.place(info.Name)
	info.Attempts = append(k.Attempts[:0], attempts...)
	k.FailureInfo = info
}

// attempts appends what there is to tell of the task's failed attempts.
func (a *attempt) attempts(list []AttemptInfo) []AttemptInfo {
	p := a.remembered()
	for i := range p.failed {
		f := p.judgedAt(i)
		list = append(list, AttemptInfo{
			Attempt: f.Attempt, Fallback: f.Fallback, Start: f.Start, Elapsed: f.Elapsed,
			Kind: f.Kind, ErrorType: f.ErrorType, Message: head(f.Message(), maxAttemptMessage),
			Verdict: f.Verdict, Handler: f.Handler, SpanContext: f.SpanContext,
		})
	}
	return list
}

func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
