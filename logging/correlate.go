package logging

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/taskctx"
	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Correlate wraps any handler, so that each record names the trace and the task
// that its context belongs to: trace_id, span_id, trace_flags, task.name,
// task.id and task.attempt. It takes the logger's methods that pass a context,
// such as InfoContext.
//
// The ids are outside of groups, also behind WithGroup, because that is where
// pipelines look for them. Keys that are there already are left alone, and the
// runtime's own records, which carry all of it, pass as they are. Outside of
// traces and tasks nothing is added, and nothing allocated.
func Correlate(h slog.Handler) slog.Handler {
	if _, ok := h.(*correlator); ok {
		return h
	}
	return &correlator{top: h, full: h}
}

// correlator keeps two versions of the wrapped handler. A handler that is in a
// group can't write outside of it, so a record that needs ids goes to the one
// from before the first group, with the groups built by hand.
type correlator struct {
	top    slog.Handler // before the first group
	full   slog.Handler // with all groups and attributes
	scopes []scope      // what lies between the two
	have   idSet        // the ids that WithAttrs gave to top
}

// scope is one call of WithGroup or WithAttrs.
type scope struct {
	group string
	attrs []slog.Attr
}

func (c *correlator) Enabled(ctx context.Context, l slog.Level) bool { return c.full.Enabled(ctx, l) }

func (c *correlator) Handle(ctx context.Context, r slog.Record) error {
	if isRuntimes(r) {
		return c.handleRuntimes(ctx, r)
	}
	have := c.have
	if len(c.scopes) == 0 { // in a group, the record's keys can't collide with ids outside
		r.Attrs(func(a slog.Attr) bool {
			have |= idOf(a.Key)
			return true
		})
	}
	var space [24]slog.Attr // most records fit, and then this isn't allocated
	attrs := appendIDs(space[:0], ctx, have)
	if len(attrs) == 0 {
		return c.full.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	if len(c.scopes) == 0 {
		r.Attrs(func(a slog.Attr) bool {
			attrs = append(attrs, a)
			return true
		})
		out.AddAttrs(attrs...)
	} else {
		out.AddAttrs(attrs...)
		out.AddAttrs(c.nest(attrsOf(r), nil)...)
	}
	return c.top.Handle(ctx, out)
}

// HandleTask passes a record of the runtime's on as it is. In a group it has to be taken
// apart, which Handle does.
func (c *correlator) HandleTask(ctx context.Context, r *tasklog.Record) (bool, error) {
	h, ok := c.full.(tasklog.Handler)
	if !ok || len(c.scopes) > 0 {
		return false, nil
	}
	return h.HandleTask(ctx, r)
}

func (c *correlator) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return c
	}
	next := *c
	next.full = c.full.WithAttrs(attrs)
	if len(c.scopes) > 0 {
		next.scopes = append(slices.Clip(c.scopes), scope{attrs: slices.Clone(attrs)})
		return &next
	}
	next.top = next.full
	for _, a := range attrs {
		next.have |= idOf(a.Key)
	}
	return &next
}

func (c *correlator) WithGroup(name string) slog.Handler {
	if name == "" {
		return c
	}
	next := *c
	next.full = c.full.WithGroup(name)
	next.scopes = append(slices.Clip(c.scopes), scope{group: name})
	return &next
}

// isRuntimes reports whether the runtime made r: such a record begins with its
// event, and an event of a task comes with the task's id. The id tells it from
// the user's own events: a to-do list has a "task.created" too.
func isRuntimes(r slog.Record) (is bool) {
	first := true
	r.Attrs(func(a slog.Attr) bool {
		if !first {
			is = a.Key == taskconv.TaskID
			return !is
		}
		first = false
		if a.Key != taskconv.LogEvent || a.Value.Kind() != slog.KindString {
			return false
		}
		event := a.Value.String()
		is = strings.HasPrefix(event, "runtime.")
		return strings.HasPrefix(event, "task.")
	})
	return is
}

// handleRuntimes writes a record of the runtime's, whose fields belong outside of
// groups: a runtime that was given logger.WithGroup("app") is still found by
// "event". What the runtime added by WithAttrs is taken out of the group too.
func (c *correlator) handleRuntimes(ctx context.Context, r slog.Record) error {
	if len(c.scopes) == 0 {
		return c.full.Handle(ctx, r)
	}
	lifted := attrsOf(r)
	rest := c.nest(nil, &lifted)
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	out.AddAttrs(lifted...)
	out.AddAttrs(rest...)
	return c.top.Handle(ctx, out)
}

// nest puts attrs into the groups that are open, beside what WithAttrs gave to
// each. If lifted is not nil, it takes those with keys of the runtime's.
func (c *correlator) nest(attrs []slog.Attr, lifted *[]slog.Attr) []slog.Attr {
	for _, s := range slices.Backward(c.scopes) {
		switch {
		case s.group == "":
			own := make([]slog.Attr, 0, len(s.attrs)+len(attrs))
			for _, a := range s.attrs {
				if lifted != nil && (strings.HasPrefix(a.Key, "task.") || a.Key == taskconv.CodeFunctionName) {
					*lifted = append(*lifted, a)
					continue
				}
				own = append(own, a)
			}
			attrs = append(own, attrs...)
		case len(attrs) > 0: // an empty group isn't written
			attrs = []slog.Attr{{Key: s.group, Value: slog.GroupValue(attrs...)}}
		}
	}
	return attrs
}

func attrsOf(r slog.Record) []slog.Attr {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	return attrs
}

// idSet tells which of the ids are there already.
type idSet uint8

const (
	hasTraceID idSet = 1 << iota
	hasSpanID
	hasTraceFlags
	hasName
	hasID
	hasAttempt

	hasTrace = hasTraceID | hasSpanID | hasTraceFlags
	hasTask  = hasName | hasID | hasAttempt
)

func idOf(key string) idSet {
	switch key {
	case taskconv.LogTraceID:
		return hasTraceID
	case taskconv.LogSpanID:
		return hasSpanID
	case taskconv.LogTraceFlags:
		return hasTraceFlags
	case taskconv.TaskName:
		return hasName
	case taskconv.TaskID:
		return hasID
	case taskconv.TaskAttempt:
		return hasAttempt
	}
	return 0
}

// appendIDs appends the ids of ctx that aren't there already.
func appendIDs(attrs []slog.Attr, ctx context.Context, have idSet) []slog.Attr {
	add := func(id idSet, a slog.Attr) {
		if have&id == 0 {
			attrs = append(attrs, a)
		}
	}
	if ctx == nil {
		return attrs
	}
	if sc := trace.SpanContextFromContext(ctx); have&hasTrace != hasTrace && sc.IsValid() {
		traceID, spanID, flags := tasklog.SpanText(sc)
		add(hasTraceID, slog.String(taskconv.LogTraceID, traceID))
		add(hasSpanID, slog.String(taskconv.LogSpanID, spanID))
		add(hasTraceFlags, slog.String(taskconv.LogTraceFlags, flags))
	}
	if have&hasTask == hasTask {
		return attrs
	}
	if t, ok := taskctx.From(ctx); ok {
		add(hasName, slog.String(taskconv.TaskName, t.TaskName()))
		add(hasID, slog.String(taskconv.TaskID, t.TaskID()))
		add(hasAttempt, slog.Int(taskconv.TaskAttempt, t.TaskAttempt()))
	}
	return attrs
}
