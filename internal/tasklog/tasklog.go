// Package tasklog is the short way from the runtime to a log handler of ours. A
// slog.Record costs a task three allocations and an encoder that knows nothing of what
// it encodes; here the runtime hands over what it has, and the handler writes the line.
//
// It is a short cut only: the line is the one that the handler would write of the
// slog.Record that the runtime makes for any other handler.
package tasklog

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Handler is a slog.Handler that knows the short way.
type Handler interface {
	slog.Handler
	// HandleTask writes a record. It does not keep r. false: it does not write such
	// records, and has done nothing.
	HandleTask(ctx context.Context, r *Record) (handled bool, err error)
}

// Record is a record about a task. What its definition says, the handler has from
// WithAttrs.
type Record struct {
	Time    time.Time
	Level   slog.Level
	Message string
	Event   string
	Span    trace.SpanContext
	ID      [16]byte
	Attempt int // 0: left out

	// The arguments, rendered already or not; neither if there are none.
	Shown  render.JSON
	Args   any
	Render *render.Renderer // nil: Args are not to be rendered

	// How the attempt ended; no outcome, if the record does not tell.
	Outcome      string
	Took, Queued time.Duration

	// Attrs are of the kinds string, int64, float64, bool and duration, or of any kind. A
	// duration's key ends in _ms, and it is written as such.
	Attrs []slog.Attr
}

// AppendEnd appends how the attempt ended as the attributes of a slog.Record.
func (r *Record) AppendEnd(attrs []slog.Attr) []slog.Attr {
	if r.Outcome == "" {
		return attrs
	}
	return append(attrs,
		slog.String(taskconv.TaskOutcome, r.Outcome),
		slog.Float64(taskconv.LogDurationMS, Milliseconds(r.Took)),
		slog.Float64(taskconv.LogQueueDelayMS, Milliseconds(r.Queued)))
}

// Milliseconds is a duration as a number of milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
