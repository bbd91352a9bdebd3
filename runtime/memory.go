package postlude

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/runtime/durable"
)

// memory is what a durable task remembers of its attempts from process to process. It is
// telemetry: one that can't be read is forgotten, and the task goes on.
type memory struct {
	Version int `json:"v"`
	// Last is the queue's number of the last attempt that came to an end; those after it died
	// with their process. Refused are those by releases that could not read the task: they
	// were none of its own.
	Last     int           `json:"last"`
	Refused  int           `json:"refused,omitempty"`
	Previous string        `json:"previous,omitempty"` // traceparent of the last
	History  []pastAttempt `json:"history,omitempty"`

	lost int // attempts since Last; not stored
}

const memoryVersion = 1

// pastAttempt is a FailedAttempt without what can't leave the process.
type pastAttempt struct {
	Attempt  int           `json:"attempt"`
	Fallback bool          `json:"fallback,omitempty"`
	Start    time.Time     `json:"start"`
	Elapsed  time.Duration `json:"elapsed"` // nanoseconds
	Kind     Kind          `json:"kind"`
	Type     string        `json:"type"`
	Error    string        `json:"error"`
	Verdict  string        `json:"verdict,omitempty"`
	Handler  string        `json:"handler,omitempty"`
	Trace    string        `json:"trace,omitempty"` // traceparent
}

// What a row should bear.
const (
	maxMemory      = 16
	maxMemoryError = 512
)

// memory returns what the next attempt is to know of this one and those before.
func (a *attempt) memory() json.RawMessage {
	m := memory{Version: memoryVersion, Last: a.in.attempt, Refused: a.in.refused, Previous: traceparent(a.span.SpanContext())}
	if errors.Is(a.in.broken, durable.ErrVersion) {
		m.Refused++
	}
	history := a.remembered().judged()
	if over := len(history) - maxMemory; over > 0 { // as in remember, the middle is worth least
		history = slices.Delete(history, maxMemory/2, maxMemory/2+over)
	}
	for _, f := range history {
		m.History = append(m.History, pastAttempt{
			Attempt: f.Attempt, Fallback: f.Fallback, Start: f.Start.UTC(), Elapsed: f.Elapsed,
			Kind: f.Kind, Type: f.ErrorType, Error: head(f.Message(), maxMemoryError), Trace: traceparent(f.SpanContext),
			Verdict: f.Verdict, Handler: f.Handler,
		})
	}
	data, err := json.Marshal(m)
	if err != nil { // a time beyond year 9999, say
		return nil
	}
	return data
}

// recall has the task remember what the attempts before left to it.
func (t *task) recall(d *durable.Delivery) {
	m := recall(d.State)
	switch {
	case m.Version == 0 && len(d.State) > 0: // of a release that we can't read: who knows
	case d.Attempt <= m.Last: // an operator's retry has the queue count anew
		m.Last, m.Refused, m.lost = 0, 0, d.Attempt-1
	default:
		m.lost = d.Attempt - 1 - m.Last
	}
	if t.in.broken == nil && m.lost >= maxLost {
		t.in.broken = fmt.Errorf("%w: %d of them", ErrAttemptsLost, m.lost)
	}
	t.in.refused = m.Refused
	if history, last := m.restore(); len(history) > 0 || last.IsValid() {
		t.past = &past{span: last, failed: history}
	}
	t.attempt.Store(int32(min(max(d.Attempt-m.Refused, 1)-1, 1<<30)))
}

// recall reads a memory; the zero memory if it can't be read.
func recall(state json.RawMessage) memory {
	if len(state) == 0 {
		return memory{}
	}
	m := new(memory) // not the result, which would be on the heap for those without, too
	if json.Unmarshal(state, m) != nil || m.Version != memoryVersion {
		return memory{}
	}
	return *m
}

// restore returns the failed attempts, and the span of the last.
func (m memory) restore() (history []FailedAttempt, last trace.SpanContext) {
	for _, p := range m.History {
		history = append(history, FailedAttempt{
			Attempt: p.Attempt, Fallback: p.Fallback, Start: p.Start, Elapsed: p.Elapsed,
			Kind: p.Kind, ErrorType: p.Type, Err: pastError(p.Error), SpanContext: parseTraceparent(p.Trace),
			Verdict: p.Verdict, Handler: p.Handler,
		})
	}
	return history, parseTraceparent(m.Previous)
}

// pastError is the text of an error of another process.
type pastError string

func (e pastError) Error() string { return string(e) }

func traceparent(sc trace.SpanContext) string {
	if !sc.IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), carrier)
	return carrier["traceparent"]
}

func parseTraceparent(s string) trace.SpanContext {
	if s == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": s})
	return trace.SpanContextFromContext(ctx)
}
