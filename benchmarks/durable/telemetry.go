package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/otelx"
)

// telemetry is what a task is observed by in production, up to where it would leave the
// process: spans in batches, all of them sampled, metrics, and a record for each task. It is
// what packages otelsetup and logging make.
type telemetry struct {
	spans    *otelx.TracerProvider
	metrics  *sdkmetric.MeterProvider
	logger   *slog.Logger
	exported atomic.Int64 // spans
	records  atomic.Int64
}

func newTelemetry() *telemetry {
	t := new(telemetry)
	// Blocking, so that no span is dropped to save time.
	batch := sdktrace.NewBatchSpanProcessor(discard{&t.exported}, sdktrace.WithBlocking())
	t.spans = otelx.NewTracerProvider(otelx.ProviderConfig{Processors: []sdktrace.SpanProcessor{batch}})
	t.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	t.logger = logging.New(records{&t.records}, logging.Options{Format: logging.JSON})
	return t
}

func (t *telemetry) shutdown(ctx context.Context) error {
	return errors.Join(t.spans.Shutdown(ctx), t.metrics.Shutdown(ctx))
}

// discard counts spans, and throws them away.
type discard struct{ n *atomic.Int64 }

// ExportSpans takes a batch.
func (d discard) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	d.n.Add(int64(len(spans)))
	return nil
}

// Shutdown has nothing to end.
func (discard) Shutdown(context.Context) error { return nil }

// records counts the records that are written, and throws them away, other
// than warnings and errors: those should not be here.
type records struct{ n *atomic.Int64 }

var info = []byte(`"level":"INFO"`)

// Write takes one record.
func (r records) Write(record []byte) (int, error) {
	r.n.Add(1)
	if !bytes.Contains(record[:min(len(record), 80)], info) { // it comes after the time
		_, _ = os.Stderr.Write(record)
	}
	return len(record), nil
}
