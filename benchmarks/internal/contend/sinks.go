package contend

import (
	"context"
	"io"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// spanCounter counts the spans of tasks, and throws them away if there is no next.
type spanCounter struct {
	n    atomic.Int64
	next sdktrace.SpanExporter
}

// ExportSpans takes a batch.
func (c *spanCounter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	tasks := 0
	for _, s := range spans {
		if s.SpanKind() == trace.SpanKindConsumer {
			tasks++
		}
	}
	c.n.Add(int64(tasks))
	if c.next != nil {
		return c.next.ExportSpans(ctx, spans)
	}
	return nil
}

// Shutdown has nothing to end.
func (c *spanCounter) Shutdown(context.Context) error { return nil }

// recordCounter counts records, and throws them away if there is no next.
type recordCounter struct {
	n    atomic.Int64
	next io.Writer
}

// Write takes a record.
func (c *recordCounter) Write(record []byte) (int, error) {
	c.n.Add(1)
	if c.next != nil {
		return c.next.Write(record)
	}
	return len(record), nil
}
