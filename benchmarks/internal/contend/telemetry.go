package contend

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/otelx"
	"github.com/postlude/postlude/runtime/taskconv"
)

const scope = "github.com/postlude/postlude/benchmarks"

// Sampling is what becomes of the spans.
type Sampling string

// All spans are recorded and exported, or none, as the request's is not; or there is no SDK.
const (
	Sampled   Sampling = "sampled"
	Unsampled Sampling = "unsampled"
	NoOp      Sampling = "no-op"
)

// Log is whose JSON handler writes the records.
type Log string

// The user's own handler, ours, or none: no record is made.
const (
	SlogLog Log = ""
	OurLog  Log = "ours"
	NoLog   Log = "none"
)

// Telemetry is where spans, records and metrics go: as in production, up to where they
// would leave the process.
type Telemetry struct {
	Tracers trace.TracerProvider
	Meters  metric.MeterProvider
	Logger  *slog.Logger

	sampling Sampling
	spans    provider // nil: no SDK
	reader   *sdkmetric.ManualReader
	exported spanCounter
	records  recordCounter
}

// provider is a tracer provider with an end: the SDK's, or ours.
type provider interface {
	trace.TracerProvider
	ForceFlush(context.Context) error
	Shutdown(context.Context) error
}

// TelemetryConfig says what is not as in most benchmarks.
type TelemetryConfig struct {
	Sampling Sampling
	Log      Log
	Exporter sdktrace.SpanExporter // besides the count; nil: none
	Output   io.Writer             // of the records, besides the count; nil: none
	// Drops lets the batch processor drop what does not fit into its queue, as it does by
	// default, in place of having the task wait.
	Drops bool
	// SDKSpans has the SDK make all spans; else the provider is the one that otelsetup makes.
	// By hand they are the SDK's with either.
	SDKSpans bool
}

// NewTelemetry makes one.
func NewTelemetry(c TelemetryConfig) *Telemetry {
	t := &Telemetry{Tracers: noop.NewTracerProvider(), sampling: c.Sampling, reader: sdkmetric.NewManualReader()}
	t.Meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(t.reader))
	t.records.next = c.Output
	t.exported.next = c.Exporter
	if c.Sampling != NoOp {
		root := sdktrace.AlwaysSample()
		if c.Sampling == Unsampled {
			root = sdktrace.NeverSample()
		}
		var batch []sdktrace.BatchSpanProcessorOption
		if !c.Drops {
			batch = append(batch, sdktrace.WithBlocking())
		}
		t.spans = newProvider(c.SDKSpans, sdktrace.ParentBased(root), sdktrace.NewBatchSpanProcessor(&t.exported, batch...))
		t.Tracers = t.spans
	}
	t.Logger = slog.New(handler(c.Log, &t.records))
	return t
}

func newProvider(sdk bool, s sdktrace.Sampler, p sdktrace.SpanProcessor) provider {
	if sdk {
		return sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithSpanProcessor(p))
	}
	return otelx.NewTracerProvider(otelx.ProviderConfig{Sampler: s, Processors: []sdktrace.SpanProcessor{p}})
}

func handler(l Log, w io.Writer) slog.Handler {
	switch l {
	case OurLog:
		return logging.NewHandler(w, logging.Options{Format: logging.JSON})
	case NoLog:
		return slog.DiscardHandler
	default:
		return slog.NewJSONHandler(w, nil)
	}
}

// Request returns the context of a request with a server span, and what ends it.
func (t *Telemetry) Request(ctx context.Context) (context.Context, func()) {
	ctx, span := t.Tracers.Tracer(scope).Start(ctx, "POST /orders/{id}", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func() { span.End() }
}

// Flush exports what has ended.
func (t *Telemetry) Flush(ctx context.Context) error {
	if t.spans == nil {
		return nil
	}
	return t.spans.ForceFlush(ctx)
}

// Close flushes, and ends the batch processor.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.spans == nil {
		return nil
	}
	return t.spans.Shutdown(ctx)
}

// Exported is how many task spans were exported.
func (t *Telemetry) Exported() int { return int(t.exported.n.Load()) }

// Check tells what is missing of n tasks, once all was flushed.
func (t *Telemetry) Check(ctx context.Context, n int) error {
	wantSpans, wantRecords := 0, n
	if t.sampling == Sampled {
		wantSpans = n
	}
	if t.Logger.Handler() == slog.DiscardHandler {
		wantRecords = 0
	}
	counted, err := t.attempts(ctx)
	if err != nil {
		return err
	}
	if spans, records := t.Exported(), int(t.records.n.Load()); spans != wantSpans || records != wantRecords || counted != n {
		return fmt.Errorf("%d tasks have %d spans (want %d), %d records (want %d) and are %d in the metrics", n, spans, wantSpans, records, wantRecords, counted)
	}
	return nil
}

// attempts is the sum of the metric.
func (t *Telemetry) attempts(ctx context.Context) (n int, err error) {
	var all metricdata.ResourceMetrics
	if err := t.reader.Collect(ctx, &all); err != nil {
		return 0, err
	}
	for _, sm := range all.ScopeMetrics {
		for _, m := range sm.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == taskconv.MetricAttempts {
				for _, p := range sum.DataPoints {
					n += int(p.Value)
				}
			}
		}
	}
	return n, nil
}
