package postlude

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// memory is what a durable task remembers of its attempts from process to process. It is
// telemetry: one that can't be read is forgotten, and the task goes on.
type memory struct {
	Attempts int           `json:"attempts"`           // that came to an end; the others died with their process
	Previous string        `json:"previous,omitempty"` // traceparent of the last
	History  []pastAttempt `json:"history,omitempty"`
}

// pastAttempt is a FailedAttempt without what can't leave the process.
type pastAttempt struct {
	Attempt  int           `json:"attempt"`
	Fallback bool          `json:"fallback,omitempty"`
	Start    time.Time     `json:"start"`
	Elapsed  time.Duration `json:"elapsed"` // nanoseconds
	Kind     Kind          `json:"kind"`
	Type     string        `json:"type"`
	Error    string        `json:"error"`
	Trace    string        `json:"trace,omitempty"` // traceparent
}

// What a row should bear.
const (
	maxMemory      = 16
	maxMemoryError = 512
)

// memory returns what the next attempt is to know of this one and those before.
func (a *attempt) memory() json.RawMessage {
	m := memory{Attempts: a.number, Previous: traceparent(a.span.SpanContext())}
	history := a.history
	if over := len(history) - maxMemory; over > 0 { // as in remember, the middle is worth least
		history = slices.Delete(slices.Clone(history), maxMemory/2, maxMemory/2+over)
	}
	for _, f := range history {
		m.History = append(m.History, pastAttempt{
			Attempt: f.Attempt, Fallback: f.Fallback, Start: f.Start.UTC(), Elapsed: f.Elapsed,
			Kind: f.Kind, Type: f.ErrorType, Error: head(f.Message(), maxMemoryError), Trace: traceparent(f.SpanContext),
		})
	}
	data, err := json.Marshal(m)
	if err != nil { // a time beyond year 9999, say
		return nil
	}
	return data
}

// recall reads what the attempts before remembered.
func recall(state json.RawMessage) (m memory) {
	if len(state) == 0 || json.Unmarshal(state, &m) != nil {
		return memory{}
	}
	return m
}

// restore returns the failed attempts, and the span of the last.
func (m memory) restore() (history []FailedAttempt, last trace.SpanContext) {
	for _, p := range m.History {
		history = append(history, FailedAttempt{
			Attempt: p.Attempt, Fallback: p.Fallback, Start: p.Start, Elapsed: p.Elapsed,
			Kind: p.Kind, ErrorType: p.Type, Err: pastError(p.Error), SpanContext: parseTraceparent(p.Trace),
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
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": s})
	return trace.SpanContextFromContext(ctx)
}
