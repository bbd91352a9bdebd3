package otelsetup_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/postlude/postlude/otelx/otelsetup"
)

// A reader of the program's own sees what the exporter of the environment sees.
func TestMetricReaders(t *testing.T) {
	cleanEnv(t)
	rec := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", rec.URL)
	reader := sdkmetric.NewManualReader()
	sdk := start(t, otelsetup.Config{MetricReaders: []sdkmetric.Reader{reader}})
	emit(t, "visit")
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	if _, ok := metricNamed(got, "visits"); !ok {
		t.Errorf("the reader collected %v", got.ScopeMetrics)
	}
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, metrics, _ := rec.counts(); metrics == 0 {
		t.Error("no metrics were exported")
	}
	if err := reader.Collect(t.Context(), &got); !errors.Is(err, sdkmetric.ErrReaderShutdown) {
		t.Errorf("after Shutdown, Collect = %v", err)
	}
}

func metricNamed(rm metricdata.ResourceMetrics, name string) (metricdata.Metrics, bool) {
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name == name {
				return m, true
			}
		}
	}
	return metricdata.Metrics{}, false
}

// Two services in a process: each span tells whose it is, and the globals are the first's.
func TestNewIsAnotherService(t *testing.T) {
	cleanEnv(t)
	rec := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", rec.URL)
	first := start(t, otelsetup.Config{ServiceName: "shop"})
	handler := otel.GetErrorHandler()
	second, err := otelsetup.New(t.Context(), otelsetup.Config{ServiceName: "payment"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Shutdown(context.Background()) })
	if otel.GetTracerProvider() != first.TracerProvider || otel.GetMeterProvider() != first.MeterProvider ||
		otel.GetErrorHandler() != handler {
		t.Error("New has changed the globals")
	}
	for _, sdk := range []*otelsetup.SDK{first, second} {
		_, span := sdk.TracerProvider.Tracer("test").Start(t.Context(), "visit")
		span.End()
	}
	if err := errors.Join(second.Shutdown(t.Context()), first.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
	if got := rec.services(); !slices.Equal(got, []string{"payment", "shop"}) {
		t.Errorf("spans came from %v", got)
	}
}

func TestNewDisabled(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_SDK_DISABLED", "true")
	before := otel.GetTracerProvider()
	sdk, err := otelsetup.New(t.Context(), otelsetup.Config{ServiceName: "payment"})
	if err != nil {
		t.Fatal(err)
	}
	if otel.GetTracerProvider() != before {
		t.Error("New has changed the globals")
	}
	if _, span := sdk.TracerProvider.Tracer("test").Start(t.Context(), "nothing"); span.IsRecording() {
		t.Error("the span records")
	}
}

// services are the names that the spans' resources have, in the order of their export.
func (r *receiver) services() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, req := range r.traces {
		for _, rs := range req.ResourceSpans {
			i := slices.IndexFunc(rs.Resource.Attributes, func(kv *commonpb.KeyValue) bool { return kv.Key == "service.name" })
			names = append(names, rs.Resource.Attributes[i].Value.GetStringValue())
		}
	}
	return names
}
