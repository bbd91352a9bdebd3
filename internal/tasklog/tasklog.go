// Package tasklog is the short way from the runtime to a log handler of ours. A
// slog.Record costs a task three allocations and an encoder that knows nothing of what
// it encodes; here the runtime hands over what it has, and the handler writes the line.
//
// It is a short cut only: the line is the one that the handler would write of the
// slog.Record that the runtime makes for any other handler.
package tasklog

import (
	"context"
	"encoding/hex"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/render"
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

	// Attrs are of the kinds string, int64, float64, bool and duration, or of any kind. A
	// duration's key ends in _ms, and it is written as such.
	Attrs []slog.Attr
}

// AppendID appends a task's id as text, as RFC 9562 has UUIDs.
func AppendID(b []byte, id [16]byte) []byte {
	b = append(hex.AppendEncode(b, id[0:4]), '-')
	b = append(hex.AppendEncode(b, id[4:6]), '-')
	b = append(hex.AppendEncode(b, id[6:8]), '-')
	b = append(hex.AppendEncode(b, id[8:10]), '-')
	return hex.AppendEncode(b, id[10:])
}

// SpanText returns the ids and flags of a span in hex: one string to allocate and not
// three.
func SpanText(sc trace.SpanContext) (traceID, spanID, flags string) {
	t, s, f := sc.TraceID(), sc.SpanID(), byte(sc.TraceFlags())
	var b [50]byte
	hex.Encode(b[:32], t[:])
	hex.Encode(b[32:48], s[:])
	hex.Encode(b[48:], []byte{f})
	text := string(b[:])
	return text[:32], text[32:48], text[48:]
}

// Milliseconds is a duration as a number of milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
