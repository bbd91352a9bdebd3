package otelsetup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	lognoop "go.opentelemetry.io/otel/log/noop"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/postlude/postlude/otelx"
)

// scope is the instrumentation scope of this package's own metric.
const scope = "github.com/postlude/postlude/otelx/otelsetup"

// Config holds what the environment does not say. The zero value is good.
type Config struct {
	// ServiceName and ServiceVersion become service.name and service.version,
	// unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES give them. Without any
	// name, the SDK's "unknown_service:" and the program's name is used.
	ServiceName    string
	ServiceVersion string

	// Attributes are added to the resource. OTEL_RESOURCE_ATTRIBUTES wins over them.
	Attributes []attribute.KeyValue

	// Console is where the exporter "console" writes, one JSON object a line; nil
	// is os.Stderr. Writes are serialized across the signals. It is not closed.
	Console io.Writer

	// Logger reports what goes wrong inside OpenTelemetry after Start: exports that
	// failed, above all. nil is slog.Default() at the time of the report. It may be
	// bridged to OpenTelemetry logs; see [Start].
	Logger *slog.Logger

	// SpanWait is how long the end of a span waits for room, if the exporter's queue is
	// full, before the span is dropped and counted. Zero, the default, does not wait: a
	// back end that is slow or down must not slow down a server, and its tasks above
	// all. A batch job whose spans matter more than its pace may say a minute: it then
	// runs as fast as the back end takes the spans, and while that is down, each task
	// takes a minute longer for each of its spans.
	SpanWait time.Duration

	// SpanProcessors are registered on the tracer provider, after the exporter: a
	// processor that panics in OnEnd then costs no exported span. The provider owns
	// them from here on and shuts them down. With OTEL_SDK_DISABLED they are not used.
	SpanProcessors []sdktrace.SpanProcessor

	// MetricReaders are registered on the meter provider, beside the exporter: a
	// Prometheus exporter, for example, whose metrics the service's own server shows.
	// The provider owns them from here on and shuts them down. With OTEL_SDK_DISABLED
	// they are not used.
	MetricReaders []sdkmetric.Reader
}

// Start builds the three providers from cfg and the environment, and makes them,
// the propagator and an error handler OpenTelemetry's global ones. Every fault of
// the configuration is in the returned error, joined; then no global has been
// changed and nothing is left running.
//
// It does not wait for a back end: an endpoint that is down is no error here. The
// failing exports are logged to cfg.Logger as they happen, at most five different
// messages a minute, because an outage makes thousands; the number left out is on
// the next line. The limit also ends the loop in which a report about a failed
// export of logs is itself exported as a log.
//
// ctx bounds the start only. Starting again replaces the globals; each SDK has to be
// shut down.
func Start(ctx context.Context, cfg Config) (*SDK, error) { return build(ctx, cfg, true) }

// New is Start for a further service of the same process, one with a name of its own in
// traces and metrics: it leaves the globals alone, so its providers have to be passed to
// whoever is to use them. What goes wrong inside of it is reported to the global error
// handler, and so to the logger of the Start before it; shut the SDK of that down last.
//
// The environment speaks to both: OTEL_SERVICE_NAME gives them the same name, and an
// exporter with a port of its own, as "prometheus" has, finds it taken.
func New(ctx context.Context, cfg Config) (*SDK, error) { return build(ctx, cfg, false) }

func build(ctx context.Context, cfg Config, global bool) (*SDK, error) {
	prop, propErr := propagatorFromEnv()
	if disabled() {
		if propErr != nil {
			return nil, propErr
		}
		return disabledSDK(prop).global(global), nil
	}
	sampler, samplerErr := samplerFromEnv()
	out, outErr := openOutputs(ctx, newConsole(cfg.Console))
	if err := errors.Join(propErr, samplerErr, cfg.check(), outErr); err != nil {
		// The outputs that did open have goroutines and sockets of their own.
		return nil, errors.Join(err, out.close(context.WithoutCancel(ctx)))
	}
	rep := &reporter{logger: cfg.Logger}
	// From here on nothing fails. The handler comes before the providers: building
	// them is already reported to it.
	if global {
		otel.SetErrorHandler(rep)
	}
	res, err := newResource(ctx, cfg)
	if err != nil {
		rep.Handle(fmt.Errorf("resource is incomplete: %w", err))
	}
	return newSDK(cfg, prop, sampler, out, res, rep).global(global), nil
}

// check finds what would otherwise panic later, at the first span for instance.
func (cfg Config) check() error {
	var errs []error
	for i, sp := range cfg.SpanProcessors {
		if sp == nil {
			errs = append(errs, fmt.Errorf("otelsetup: Config.SpanProcessors[%d] is nil", i))
		}
	}
	for i, r := range cfg.MetricReaders {
		if r == nil {
			errs = append(errs, fmt.Errorf("otelsetup: Config.MetricReaders[%d] is nil", i))
		}
	}
	return errors.Join(errs...)
}

func newSDK(
	cfg Config, prop propagation.TextMapPropagator, sampler sdktrace.Sampler, out *outputs, res *resource.Resource, rep *reporter,
) *SDK {
	traces := otelx.ProviderConfig{Sampler: sampler, Resource: res}
	queue := out.queueSpans(cfg.SpanWait, rep)
	if queue != nil {
		traces.Processors = append(traces.Processors, queue)
	}
	traces.Processors = append(traces.Processors, cfg.SpanProcessors...)
	metricOpts := []sdkmetric.Option{sdkmetric.WithResource(res)}
	if out.reader != nil {
		metricOpts = append(metricOpts, sdkmetric.WithReader(out.reader))
	}
	for _, r := range cfg.MetricReaders {
		metricOpts = append(metricOpts, sdkmetric.WithReader(r))
	}
	logOpts := []sdklog.LoggerProviderOption{sdklog.WithResource(res)}
	for _, p := range out.logProcessors() {
		logOpts = append(logOpts, sdklog.WithProcessor(p))
	}
	tp := otelx.NewTracerProvider(traces)
	mp := sdkmetric.NewMeterProvider(metricOpts...)
	lp := sdklog.NewLoggerProvider(logOpts...)
	if queue != nil {
		if err := queue.losses.observe(mp); err != nil {
			rep.Handle(err)
		}
	}
	return &SDK{
		TracerProvider: tp,
		MeterProvider:  mp,
		LoggerProvider: lp,
		Propagator:     prop,
		Resource:       res,
		spans:          queue,
		stop:           &stopper{traces: tp, metrics: mp, logs: lp, spans: queue, cutoff: out.cutoff, reporter: rep},
	}
}

// disabledSDK is what OTEL_SDK_DISABLED=true asks for. It has nothing to stop.
func disabledSDK(prop propagation.TextMapPropagator) *SDK {
	return &SDK{
		TracerProvider: tracenoop.NewTracerProvider(),
		MeterProvider:  metricnoop.NewMeterProvider(),
		LoggerProvider: lognoop.NewLoggerProvider(),
		Propagator:     prop,
		Resource:       resource.Empty(),
	}
}

// global makes the providers OpenTelemetry's global ones, if they are to be.
func (s *SDK) global(yes bool) *SDK {
	if !yes {
		return s
	}
	otel.SetTracerProvider(s.TracerProvider)
	otel.SetMeterProvider(s.MeterProvider)
	otel.SetLoggerProvider(s.LoggerProvider)
	otel.SetTextMapPropagator(s.Propagator)
	return s
}

// newConsole is evaluated at Start, so that a program or a test may have replaced
// os.Stderr before.
func newConsole(w io.Writer) *lockedWriter {
	if w == nil {
		w = os.Stderr
	}
	return &lockedWriter{w: w}
}
