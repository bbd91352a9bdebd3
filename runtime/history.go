package postlude

import (
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// past is what a task knows of its attempts so far. Most tasks have none: they succeed at
// once, and don't pay for it.
type past struct {
	span    trace.SpanContext // of the attempt before a retry
	message string            // of the error that it ended with
	failed  []FailedAttempt   // never changed in place, as handlers may have kept it
	first   [1]FailedAttempt  // all that most have: failed begins here
	verdict action            // on the last of them
	by      string            // the handler that gave it
}

// maxHistory bounds what a task remembers of its attempts: a thousand retries are not
// worth a thousand stacks.
const maxHistory = 32

// remembered is the task's past, to be written.
func (t *task) remembered() *past {
	if t.past == nil {
		t.past = new(past)
	}
	return t.past
}

// failures returns the attempts that failed, the last one still without its verdict.
func (t *task) failures() []FailedAttempt {
	if t.past == nil {
		return nil
	}
	return t.past.failed
}

// remember adds to the task's history. When that is full, the first half stays: how it
// began is worth more than the middle.
func (t *task) remember(f FailedAttempt) {
	p := t.remembered()
	if p.failed == nil {
		p.first[0] = f
		p.failed = p.first[:]
	} else {
		h := p.judged()
		if len(h) == maxHistory {
			h = slices.Delete(h, maxHistory/2, maxHistory/2+1)
		}
		p.failed = append(h, f)
	}
	p.verdict, p.by = pass, ""
}

// forget has the task remember errGoexit in place of the attempt's own error, if that was
// remembered already.
func (a *attempt) forget() {
	p := a.remembered()
	if n := len(p.failed); n > 0 && p.failed[n-1].Attempt == a.number() {
		p.failed = p.failed[:n-1]
	}
	a.remember(FailedAttempt{
		Attempt: a.number(), Start: a.start(), Elapsed: a.took, Err: a.err,
		Kind: a.failure.Kind, ErrorType: a.failure.ErrorType, SpanContext: a.failure.SpanContext,
	})
}

// judged is a copy of the failed attempts in which the last one has its verdict.
func (p *past) judged() []FailedAttempt {
	h := slices.Clone(p.failed)
	if n := len(h); n > 0 {
		h[n-1] = p.judgedAt(n - 1)
	}
	return h
}

// judgedAt is one failed attempt with its verdict. A fallback has none: what failed after
// it is the task.
func (p *past) judgedAt(i int) FailedAttempt {
	f := p.failed[i]
	if i == len(p.failed)-1 && f.Verdict == "" && !f.Fallback {
		f.Verdict, f.Handler = p.verdict.String(), p.by
	}
	return f
}

// noteVerdict adds what was decided about the attempt to its task's history.
func (a *attempt) noteVerdict() {
	p := a.remembered()
	p.verdict, p.by = a.verdict.action, ""
	if a.by != nil {
		p.by = a.by.name
	}
}
