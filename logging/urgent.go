package logging

import (
	"context"
	"log/slog"

	"github.com/postlude/postlude/internal/tasklog"
)

// urgent has a Batcher write at once from its FlushLevel on. The writer can't tell: it
// sees bytes.
type urgent struct {
	slog.Handler
	to *Batcher
}

func (h *urgent) Handle(ctx context.Context, r slog.Record) error {
	return h.flush(r.Level, h.Handler.Handle(ctx, r))
}

// HandleTask keeps the short way of the handler below, if it has one.
func (h *urgent) HandleTask(ctx context.Context, r *tasklog.Record) (bool, error) {
	next, ok := h.Handler.(tasklog.Handler)
	if !ok {
		return false, nil
	}
	handled, err := next.HandleTask(ctx, r)
	if !handled {
		return false, err
	}
	return true, h.flush(r.Level, err)
}

// flush returns err, or else the error of the flush.
func (h *urgent) flush(l slog.Level, err error) error {
	if l < h.to.level.Level() {
		return err
	}
	if flushErr := h.to.Flush(); err == nil {
		err = flushErr
	}
	return err
}

func (h *urgent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &urgent{h.Handler.WithAttrs(attrs), h.to}
}

func (h *urgent) WithGroup(name string) slog.Handler {
	return &urgent{h.Handler.WithGroup(name), h.to}
}
