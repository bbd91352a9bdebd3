package otelsetup

import (
	"context"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// cutoff ends exports that outlive a Shutdown. The batch processors export under a
// background context with a limit of 30 seconds; a Shutdown whose context ends
// returns, but leaves that goroutine behind, and with it one connection that hangs.
// Metrics need no help: their reader cancels its own export.
type cutoff struct {
	ctx context.Context
	now context.CancelFunc // idempotent
}

func newCutoff() *cutoff {
	ctx, cancel := context.WithCancel(context.Background())
	return &cutoff{ctx: ctx, now: cancel}
}

// apply derives a context that also ends at the cutoff.
func (c *cutoff) apply(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(c.ctx, cancel)
	return ctx, func() {
		release()
		cancel()
	}
}

type spanCutoff struct {
	sdktrace.SpanExporter
	cutoff *cutoff
}

// ExportSpans exports until ctx ends or the cutoff comes.
func (e spanCutoff) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := e.cutoff.apply(ctx)
	defer cancel()
	return e.SpanExporter.ExportSpans(ctx, spans)
}

type logCutoff struct {
	sdklog.Exporter
	cutoff *cutoff
}

// Export exports until ctx ends or the cutoff comes.
func (e logCutoff) Export(ctx context.Context, records []sdklog.Record) error {
	ctx, cancel := e.cutoff.apply(ctx)
	defer cancel()
	return e.Exporter.Export(ctx, records)
}
