package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/otelx/otelsetup"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
)

// service is how one of the two services is observed. They share a process, but neither
// name nor metrics: to Jaeger and Prometheus they are two.
type service struct {
	*otelsetup.SDK
	name    string
	log     *slog.Logger
	metrics http.Handler
}

// openLog makes the logger of both.
func (p *program) openLog(cfg config) (*slog.Logger, error) {
	terminal := logging.NewHandler(cfg.out, logging.Options{Format: cfg.format})
	if cfg.logFile == "" {
		return slog.New(terminal), nil
	}
	if err := os.MkdirAll(filepath.Dir(cfg.logFile), 0o755); err != nil {
		return nil, err
	}
	// Readable by others: what collects the records runs as another user, and there are no secrets in them.
	file, err := os.OpenFile(cfg.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	p.atEnd(func(context.Context) error { return file.Close() })
	records := logging.NewHandler(io.Writer(file), logging.Options{Format: logging.JSON})
	return slog.New(slog.NewMultiHandler(terminal, records)), nil
}

// openService sets up a service's telemetry: setup is otelsetup.Start, or New for the one
// that does not own OpenTelemetry's globals. Where spans and metrics are sent to is the
// environment's to say; the metrics are on the service's own server besides.
func (p *program) openService(
	ctx context.Context, cfg config, name string,
	setup func(context.Context, otelsetup.Config) (*otelsetup.SDK, error),
) (*service, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return nil, err
	}
	log := p.log.With("service.name", name)
	sdk, err := setup(ctx, otelsetup.Config{
		ServiceName:    name,
		Logger:         log,
		SpanProcessors: cfg.spans,
		MetricReaders:  []sdkmetric.Reader{reader},
	})
	if err != nil {
		return nil, err
	}
	s := &service{SDK: sdk, name: name, log: log}
	// Only the OpenMetrics format has exemplars: the trace ids beside the histograms.
	s.metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	p.atEnd(s.close)
	return s, nil
}

// close has time of its own, as tasks that did not end in time are worth telling. That
// something could not be exported is worth a line, not an exit code.
func (s *service) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exportTime/2) // there are two
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "telemetry was lost", slog.Any("err", err))
	}
	return nil
}

// runtime is the configuration of a runtime of the service.
func (s *service) runtime(
	cfg config, defaults []postlude.Option, engine durable.Engine, tasks ...postlude.Definition,
) postlude.Config {
	return postlude.Config{
		Tasks: tasks, Engine: engine, Defaults: defaults,
		Grace:       cfg.grace,
		RetryBudget: postlude.RetryBudget{Percent: 50, Floor: 20}, // an outage is no reason for a storm
		TraceURL:    cfg.traceURL,
		Logger:      s.log, TracerProvider: s.TracerProvider, MeterProvider: s.MeterProvider, Propagator: s.Propagator,
	}
}

// traced makes a SERVER span of each request, below the span of the caller.
func (s *service) traced(h http.Handler) http.Handler {
	return otelhttp.NewHandler(h, s.name, otelhttp.WithTracerProvider(s.TracerProvider),
		otelhttp.WithMeterProvider(s.MeterProvider), otelhttp.WithPropagators(s.Propagator))
}

// client makes a CLIENT span of each call, which the service that is called continues.
func (s *service) client() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: otelhttp.NewTransport(http.DefaultTransport,
		otelhttp.WithTracerProvider(s.TracerProvider), otelhttp.WithMeterProvider(s.MeterProvider),
		otelhttp.WithPropagators(s.Propagator),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }))}
}
