package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/runtime/taskconv"
)

// jsonHandler is slog's JSON handler with a short way for the runtime's records, of
// which there is one for each task. Their form is known: this encoder needs a tenth of
// the time, and allocates nothing. All other records, and those with values of other
// kinds, take the long way; what is written is the same, and a fuzz test compares them.
type jsonHandler struct {
	slog.Handler
	out   io.Writer // takes lines from both ways
	attrs []byte    // of WithAttrs, encoded: `,"task.name":"send_receipt"`
	long  bool      // there are others among them, or a group
	clock *clock
}

func newShortcut(out io.Writer, h slog.Handler) slog.Handler {
	return &jsonHandler{Handler: h, out: out, clock: new(clock)}
}

func (h *jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.Handler = h.Handler.WithAttrs(attrs)
	next.attrs = append([]byte(nil), h.attrs...)
	for _, a := range attrs {
		var ok bool
		if next.attrs, ok = appendAttr(next.attrs, a); !ok {
			next.long = true
		}
	}
	return &next
}

func (h *jsonHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.Handler, next.long = h.Handler.WithGroup(name), next.long || name != ""
	return &next
}

// buffers are the lines in the making.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// HandleTask writes one line. The arguments may be user code: they are rendered before
// the writer's lock is taken.
func (h *jsonHandler) HandleTask(_ context.Context, r *tasklog.Record) (bool, error) {
	if y := r.Time.Year(); h.long || y < 0 || y > 9999 { // RFC 3339 ends there, and so does the short way
		return false, nil
	}
	line := buffers.Get().(*[]byte)
	b, ok := h.appendTask((*line)[:0], r)
	if !ok {
		return false, nil
	}
	_, err := h.out.Write(b)
	if *line = b; cap(b) <= 64<<10 {
		buffers.Put(line)
	}
	return true, err
}

func (h *jsonHandler) appendTask(b []byte, r *tasklog.Record) (_ []byte, ok bool) {
	b = append(b, `{"time":"`...)
	b = h.clock.append(b, r.Time)
	b = append(append(b, `","level":"`...), r.Level.String()...)
	b = render.AppendString(append(b, `","msg":`...), r.Message)
	b = append(b, h.attrs...)
	b = render.AppendString(append(b, `,"`+taskconv.LogEvent+`":`...), r.Event)
	if r.Span.IsValid() {
		b = append(tasklog.AppendSpan(b, r.Span,
			`,"`+taskconv.LogTraceID+`":"`, `","`+taskconv.LogSpanID+`":"`, `","`+taskconv.LogTraceFlags+`":"`), '"')
	}
	b = append(tasklog.AppendID(append(b, `,"`+taskconv.TaskID+`":"`...), r.ID), '"')
	if r.Attempt > 0 {
		b = strconv.AppendInt(append(b, `,"`+taskconv.TaskAttempt+`":`...), int64(r.Attempt), 10)
	}
	switch {
	case !r.Shown.IsZero():
		b = append(append(b, `,"`+taskconv.TaskArgs+`":`...), r.Shown.String()...)
	case r.Render != nil:
		b = r.Render.Append(append(b, `,"`+taskconv.TaskArgs+`":`...), r.Args)
	}
	if r.Outcome != "" {
		b = render.AppendString(append(b, `,"`+taskconv.TaskOutcome+`":`...), r.Outcome)
		b = appendMilliseconds(append(b, `,"`+taskconv.LogDurationMS+`":`...), r.Took)
		b = appendMilliseconds(append(b, `,"`+taskconv.LogQueueDelayMS+`":`...), r.Queued)
	}
	for _, a := range r.Attrs {
		if b, ok = appendAttr(b, a); !ok {
			return b, false
		}
	}
	return append(b, "}\n"...), true
}

// appendAttr appends an attribute of a simple kind. false: it is none, or one that the
// replacer treats in a way of its own.
func appendAttr(b []byte, a slog.Attr) (_ []byte, ok bool) {
	switch a.Key {
	case "", "error", "err", slog.SourceKey, slog.LevelKey, slog.TimeKey, slog.MessageKey:
		return b, false
	}
	if a.Value.Kind() == slog.KindDuration && !strings.HasSuffix(a.Key, "_ms") {
		return b, false // the replacer gives it another name
	}
	b = append(render.AppendString(append(b, ','), a.Key), ':')
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		return render.AppendString(b, v.String()), true
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10), true
	case slog.KindFloat64:
		return render.AppendFloat(b, v.Float64()), true
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool()), true
	case slog.KindDuration:
		return appendMilliseconds(b, v.Duration()), true
	}
	return b, false
}

// appendMilliseconds appends d exactly, from its nanoseconds.
func appendMilliseconds(b []byte, d time.Duration) []byte {
	if d < 0 {
		return render.AppendFloat(b, tasklog.Milliseconds(d))
	}
	b = strconv.AppendInt(b, int64(d/time.Millisecond), 10)
	return appendFraction(b, uint(d%time.Millisecond), 6)
}

// appendFraction appends n as that many decimals, without zeros at the end.
func appendFraction(b []byte, n uint, digits int) []byte {
	if n == 0 {
		return b
	}
	b = append(b, ".000000000"[:digits+1]...)
	for last := len(b) - 1; n > 0; last-- {
		b[last] += byte(n % 10)
		n /= 10
	}
	return bytes.TrimRight(b, "0")
}
