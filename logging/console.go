package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/lmittmann/tint"

	"github.com/postlude/postlude/runtime/taskconv"
)

// console writes for humans, through tint: one line a record, and below it the
// stack of a panic, which a line would make unreadable.
type console struct {
	out    *lockedWriter
	opts   tint.Options
	line   slog.Handler // tint, over out
	scopes []scope      // what line was given, to do the same over a buffer
	group  bool         // whether one of the scopes is a group
}

// lockedWriter is the one lock for lines that come in two ways: on the console with and
// without a stack, in JSON short and long.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func newConsole(w io.Writer, opts Options) slog.Handler {
	c := &console{out: &lockedWriter{w: w}, opts: tint.Options{
		AddSource:   opts.AddSource,
		Level:       opts.Level,
		ReplaceAttr: consoleAttr,
		TimeFormat:  "15:04:05.000",
		NoColor:     opts.NoColor,
	}}
	c.line = tint.NewTextHandler(c.out, &c.opts)
	return c
}

func (c *console) Enabled(ctx context.Context, l slog.Level) bool { return c.line.Enabled(ctx, l) }

func (c *console) WithAttrs(attrs []slog.Attr) slog.Handler {
	return c.with(scope{attrs: slices.Clone(attrs)})
}

func (c *console) WithGroup(name string) slog.Handler {
	return c.with(scope{group: name})
}

func (c *console) with(s scope) slog.Handler {
	next := *c
	next.line = s.apply(c.line)
	next.scopes = append(slices.Clip(c.scopes), s)
	next.group = c.group || s.group != ""
	return &next
}

// apply gives to h what s was given.
func (s scope) apply(h slog.Handler) slog.Handler {
	if s.group != "" {
		return h.WithGroup(s.group)
	}
	return h.WithAttrs(s.attrs)
}

func (c *console) Handle(ctx context.Context, r slog.Record) error {
	stack := ""
	if !c.group {
		r, stack = arrange(r)
	}
	if stack == "" {
		return c.line.Handle(ctx, r)
	}
	// Line and stack have to be one Write. tint is given a buffer of its own, and
	// not the lock: a value that logs while it is formatted would wait for itself.
	var buf bytes.Buffer
	h := tint.NewTextHandler(&buf, &c.opts)
	for _, s := range c.scopes {
		h = s.apply(h)
	}
	if err := h.Handle(ctx, r); err != nil {
		return err
	}
	writeStack(&buf, stack, !c.opts.NoColor)
	_, err := c.out.Write(buf.Bytes())
	return err
}

// arrange takes the stack out of a record and moves the trace's id to its end,
// where it is out of the way and easy to copy.
func arrange(r slog.Record) (out slog.Record, stack string) {
	var traceID slog.Attr
	rest := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case taskconv.ExceptionStacktrace:
			stack = a.Value.Resolve().String()
		case taskconv.LogTraceID:
			traceID = a
		default:
			rest = append(rest, a)
		}
		return true
	})
	if len(rest) == r.NumAttrs() {
		return r, ""
	}
	out = slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	out.AddAttrs(rest...)
	if traceID.Key != "" {
		out.AddAttrs(traceID)
	}
	return out, stack
}

func writeStack(buf *bytes.Buffer, stack string, color bool) {
	faint, reset := "", ""
	if color {
		faint, reset = "\x1b[2m", "\x1b[0m"
	}
	for line := range strings.Lines(strings.TrimRight(stack, "\n")) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")
		buf.WriteString(faint + "    " + line + reset + "\n")
	}
}
