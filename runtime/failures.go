package postlude

import (
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/errs"
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

// failures are the last ones, the oldest first.
type failures struct{ list []FailureInfo }

// add makes room by dropping the oldest of the name that has the most: a task that fails
// all the time must not hide one that failed once.
func (f *failures) add(info FailureInfo) {
	if len(f.list) < maxFailures {
		f.list = append(f.list, info)
		return
	}
	i := f.oldestOfMost()
	copy(f.list[i:], f.list[i+1:])
	f.list[len(f.list)-1] = info
}

func (f *failures) oldestOfMost() (index int) {
	var names [maxFailures]struct{ first, n int }
	most := 0
	for i := range f.list {
		j := 0
		for ; j < i; j++ { // the first entry of this name counts them all
			if f.list[j].Name == f.list[i].Name {
				break
			}
		}
		if names[j].n == 0 {
			names[j].first = i
		}
		if names[j].n++; names[j].n > names[most].n {
			most = j
		}
	}
	return names[most].first
}

func (f *failures) newestFirst() []FailureInfo {
	list := slices.Clone(f.list)
	slices.Reverse(list)
	return list
}

// rememberFailure keeps a failure for the snapshot.
func (rt *Runtime) rememberFailure(a *attempt, state string) {
	f := a.failure
	info := FailureInfo{
		TaskInfo: a.info(), Time: time.Now(), Kind: f.Kind, ErrorType: f.ErrorType,
		Message: head(errs.Text(f.Err), maxMessage), Stack: head(f.Stack, maxStack), Args: head(a.text().args.String(), maxArgs),
		Verdict: a.verdict.action.String(), Escalation: a.escalation, SpanContext: f.SpanContext, TraceURL: f.TraceURL,
		Attempts: a.attempts(),
	}
	info.State = state
	if a.by != nil {
		info.Handler = a.by.name
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.failures.add(info)
}

// attempts describes the task's failed attempts.
func (a *attempt) attempts() []AttemptInfo {
	p := a.remembered()
	list := make([]AttemptInfo, len(p.failed))
	for i := range p.failed {
		f := p.judgedAt(i)
		list[i] = AttemptInfo{
			Attempt: f.Attempt, Fallback: f.Fallback, Start: f.Start, Elapsed: f.Elapsed,
			Kind: f.Kind, ErrorType: f.ErrorType, Message: head(f.Message(), maxAttemptMessage),
			Verdict: f.Verdict, Handler: f.Handler, SpanContext: f.SpanContext,
		}
	}
	return list
}

func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
