package otelsetup

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// SpanQueueSize is how many ended spans may wait for an export, unless
// OTEL_BSP_MAX_QUEUE_SIZE says otherwise. The SDK's 2,048 are gone in the burst of
// tasks that a busy second schedules. What does not fit is dropped and counted, see
// [SDK.SpansDropped], or waits a while, see [Config.SpanWait]. The queue itself takes
// 512 KiB; spans occupy memory only while they wait.
// The batch size stays the SDK's 512: larger ones, with stack traces in them, exceed
// the 4 MiB that gRPC receivers accept, and are then lost whole.
const SpanQueueSize = 32_768

// outputs is where the signals go. A nil field is a signal that goes nowhere.
type outputs struct {
	spans  sdktrace.SpanExporter
	reader sdkmetric.Reader
	logs   sdklog.Exporter

	// Console exports are synchronous: who runs a service locally wants to see the
	// span right after the request, and doesn't mind the time that it takes.
	syncSpans, syncLogs bool

	spanQueue int // how many spans may wait, if they aren't exported synchronously

	cutoff *cutoff
}

// openOutputs opens all three, so that every fault is found in one start. On an error
// the outputs hold what did open.
func openOutputs(ctx context.Context, console io.Writer) (*outputs, error) {
	o := &outputs{cutoff: newCutoff()}
	err := errors.Join(o.openSpans(ctx, console), o.openMetrics(ctx, console), o.openLogs(ctx, console))
	return o, err
}

func (o *outputs) openSpans(ctx context.Context, console io.Writer) error {
	name := traces.exporter()
	switch name {
	case exporterNone:
		return nil
	case exporterConsole:
		e, err := stdouttrace.New(stdouttrace.WithWriter(console))
		if err != nil {
			return traces.fault(name, err)
		}
		o.spans, o.syncSpans = e, true
		return nil
	}
	e, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return traces.fault(name, err)
	}
	o.spans = spanCutoff{e, o.cutoff}
	o.spanQueue, err = spanQueueSize()
	return err
}

func (o *outputs) openMetrics(ctx context.Context, console io.Writer) error {
	name := metrics.exporter()
	switch name {
	case exporterNone:
		return nil
	case exporterConsole:
		e, err := stdoutmetric.New(stdoutmetric.WithWriter(console))
		if err != nil {
			return metrics.fault(name, err)
		}
		o.reader = sdkmetric.NewPeriodicReader(e)
		return nil
	}
	reader, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		return metrics.fault(name, err)
	}
	o.reader = reader
	return nil
}

func (o *outputs) openLogs(ctx context.Context, console io.Writer) error {
	name := logs.exporter()
	switch name {
	case exporterNone:
		return nil
	case exporterConsole:
		e, err := stdoutlog.New(stdoutlog.WithWriter(console))
		if err != nil {
			return logs.fault(name, err)
		}
		o.logs, o.syncLogs = e, true
		return nil
	}
	e, err := autoexport.NewLogExporter(ctx)
	if err != nil {
		return logs.fault(name, err)
	}
	o.logs = logCutoff{e, o.cutoff}
	return nil
}

// queueSpans starts the goroutine of a batch processor: call it once, when nothing can
// fail any more. nil: spans go nowhere.
func (o *outputs) queueSpans(patience time.Duration, rep *reporter) *spanQueue {
	switch {
	case o.spans == nil:
		return nil
	case o.syncSpans:
		return newSyncQueue(o.spans, rep)
	}
	return newBatchQueue(o.spans, o.spanQueue, patience, rep)
}

// logProcessors keeps the SDK's queue of 2,048 records: it exports as soon as a batch
// is full, and the records themselves are the service's JSON lines.
func (o *outputs) logProcessors() []sdklog.Processor {
	switch {
	case o.logs == nil:
		return nil
	case o.syncLogs:
		return []sdklog.Processor{sdklog.NewSimpleProcessor(o.logs)}
	}
	return []sdklog.Processor{sdklog.NewBatchProcessor(o.logs)}
}

// close is for a start that failed, before any provider owned the outputs.
func (o *outputs) close(ctx context.Context) error {
	defer o.cutoff.now()
	var errs []error
	if o.spans != nil {
		errs = append(errs, o.spans.Shutdown(ctx))
	}
	if o.reader != nil {
		errs = append(errs, o.reader.Shutdown(ctx))
	}
	if o.logs != nil {
		errs = append(errs, o.logs.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// lockedWriter keeps the lines of the three console exporters apart: each has a lock
// of its own only.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
