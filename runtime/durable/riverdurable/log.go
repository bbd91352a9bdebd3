package riverdurable

import (
	"context"
	"log/slog"
	"strings"
)

// riverLogger is for River's lines. What it informs of, such as a job that is retried, the
// runtime tells better: that is for debugging. Its warnings and errors stay what they are.
func riverLogger(l *slog.Logger) *slog.Logger { return slog.New(quiet{l.Handler()}) }

type quiet struct{ slog.Handler }

func level(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, level(l))
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = level(r.Level)
	// It warns of names of tasks that its user interface can't search for.
	if strings.HasPrefix(r.Message, "job kind should match regex") {
		r.Level = slog.LevelDebug
	}
	if !q.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
