package postlude

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/runtime/taskconv"
)

// text is the id and the arguments of a task as telemetry shows them.
type text struct {
	once sync.Once
	id   string
	args render.JSON // zero for a closure
}

// text returns what telemetry shows. It is made once, when something first records it.
func (t *task) text() *text {
	s := t.shown.Load()
	if s == nil {
		t.shown.CompareAndSwap(nil, new(text))
		s = t.shown.Load()
	}
	s.once.Do(func() { s.make(t) })
	return s
}

// make makes one string of both: it is one to allocate.
func (s *text) make(t *task) {
	var space [512]byte
	b := tasklog.AppendID(space[:0], t.id)
	n := len(b)
	defer func() {
		if s.id == "" { // an argument's LogValue ended the goroutine
			s.id = t.ID()
		}
	}()
	if t.def != nil {
		b = t.rt.render.Append(b, t.args)
	}
	both := string(b)
	s.id, s.args = both[:n], render.Of(both[n:])
}

// logs tells whether a record of that level is written. A logger that panics when it is
// asked is found out when the record is.
func (t *task) logs(ctx context.Context, level slog.Level) (enabled bool) {
	if p := panics.Try(func() { enabled = t.log.Enabled(ctx, level) }); p != nil {
		return true
	}
	return enabled
}

// emit writes one record about the task: what the plan holds, ids and arguments, then
// attrs and the user's attributes.
func (t *task) emit(ctx context.Context, attempt int, level slog.Level, event, msg string, attrs ...slog.Attr) {
	t.emitEnd(ctx, completion{}, attempt, level, event, msg, attrs...)
}

func (a *attempt) emit(level slog.Level, event, msg string, attrs ...slog.Attr) {
	a.task.emitEnd(a, completion{}, a.number(), level, event, msg, attrs...)
}

// completion is what a record says of how an attempt ended. The zero completion says nothing.
type completion struct {
	at           time.Time // the record's time; zero: now
	outcome      string
	took, queued time.Duration
}

// emitEnd is emit for a record that also tells how an attempt ended.
func (t *task) emitEnd(ctx context.Context, e completion, attempt int, level slog.Level, event, msg string, attrs ...slog.Attr) {
	p := panics.Try(func() {
		if !t.log.Enabled(ctx, level) {
			return
		}
		if e.at.IsZero() {
			e.at = time.Now()
		}
		r := records.Get().(*tasklog.Record)
		r.Time, r.Level, r.Message, r.Event = e.at, level, msg, event
		r.Span, r.ID, r.Attempt = trace.SpanContextFromContext(ctx), t.id, attempt
		r.Outcome, r.Took, r.Queued = e.outcome, e.took, e.queued
		r.Attrs = append(r.Attrs[:0], attrs...)
		if t.in != nil {
			r.Attrs = append(r.Attrs, slog.String(taskconv.TaskQueue, t.in.queue), slog.String(taskconv.TaskJobID, t.in.job))
		}
		for _, kv := range t.set.attrs {
			r.Attrs = append(r.Attrs, logAttr(kv))
		}
		if t.short == nil || !t.emitShort(ctx, r) {
			_ = t.log.Handle(ctx, t.slogRecord(r))
		}
		clear(r.Attrs)
		r.Shown, r.Args, r.Render = render.JSON{}, nil, nil
		records.Put(r)
	})
	if p != nil { // the logger is broken: a metric is all that is left
		t.rt.measure(func(m *meters) { m.HandlerErrors.Add(ctx, 1, t.gauge...) })
	}
}

// records are those in the making. One that user code ended is not used again.
var records = sync.Pool{New: func() any { return &tasklog.Record{Attrs: make([]slog.Attr, 0, 16)} }}

// emitShort gives the record to a handler of ours. The last record of a task that nothing
// else has shown has its arguments rendered into the line, and kept nowhere.
func (t *task) emitShort(ctx context.Context, r *tasklog.Record) (handled bool) {
	if r.Event == taskconv.EventSucceeded && t.shown.Load() == nil {
		if t.def != nil {
			r.Args, r.Render = t.args, t.rt.render
		}
	} else {
		r.Shown = t.text().args
	}
	handled, _ = t.short.HandleTask(ctx, r)
	return handled
}

// slogRecord makes of a record what any handler understands. The event is its first
// attribute, by which a log handler of ours knows that it need not add the ids.
func (t *task) slogRecord(r *tasklog.Record) slog.Record {
	shown := t.text()
	all := make([]slog.Attr, 0, 24) // on the stack
	all = append(all, slog.String(taskconv.LogEvent, r.Event))
	if r.Span.IsValid() {
		traceID, spanID, flags := tasklog.SpanText(r.Span)
		all = append(all, slog.String(taskconv.LogTraceID, traceID), slog.String(taskconv.LogSpanID, spanID), slog.String(taskconv.LogTraceFlags, flags))
	}
	all = append(all, slog.String(taskconv.TaskID, shown.id))
	if r.Attempt > 0 {
		all = append(all, slog.Int(taskconv.TaskAttempt, r.Attempt))
	}
	if !shown.args.IsZero() {
		all = append(all, slog.Any(taskconv.TaskArgs, shown.args))
	}
	all = r.AppendEnd(all)
	for _, a := range r.Attrs {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.Float64Value(tasklog.Milliseconds(a.Value.Duration()))
		}
		all = append(all, a)
	}
	record := slog.NewRecord(r.Time, r.Level, r.Message, 0)
	record.AddAttrs(all...)
	return record
}

// millis is a duration, written as a number of milliseconds, which its key is to tell.
func millis(key string, d time.Duration) slog.Attr { return slog.Duration(key, d) }

// logAttr is an attribute of a span as one of a record.
func logAttr(kv attribute.KeyValue) slog.Attr {
	switch key := string(kv.Key); kv.Value.Type() {
	case attribute.STRING:
		return slog.String(key, kv.Value.AsString())
	case attribute.INT64:
		return slog.Int64(key, kv.Value.AsInt64())
	case attribute.FLOAT64:
		return slog.Float64(key, kv.Value.AsFloat64())
	case attribute.BOOL:
		return slog.Bool(key, kv.Value.AsBool())
	default:
		return slog.Any(key, kv.Value.AsInterface())
	}
}
