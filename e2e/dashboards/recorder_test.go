package dashboards

import (
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// recorder is a meter that makes nothing but notes of what it is asked for. A kind of
// instrument that is missing here is missed by TestCatalogueIsComplete.
type recorder struct {
	noop.Meter
	made []otlptranslator.Metric
}

func (r *recorder) note(name, unit string, kind otlptranslator.MetricType) {
	r.made = append(r.made, otlptranslator.Metric{Name: name, Unit: unit, Type: kind})
}

func (r *recorder) Int64Counter(name string, opts ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	r.note(name, metric.NewInt64CounterConfig(opts...).Unit(), otlptranslator.MetricTypeMonotonicCounter)
	return noop.Int64Counter{}, nil
}

func (r *recorder) Int64ObservableCounter(name string, opts ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	r.note(name, metric.NewInt64ObservableCounterConfig(opts...).Unit(), otlptranslator.MetricTypeMonotonicCounter)
	return noop.Int64ObservableCounter{}, nil
}

func (r *recorder) Int64UpDownCounter(name string, opts ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	r.note(name, metric.NewInt64UpDownCounterConfig(opts...).Unit(), otlptranslator.MetricTypeNonMonotonicCounter)
	return noop.Int64UpDownCounter{}, nil
}

func (r *recorder) Int64ObservableUpDownCounter(name string, opts ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	r.note(name, metric.NewInt64ObservableUpDownCounterConfig(opts...).Unit(), otlptranslator.MetricTypeNonMonotonicCounter)
	return noop.Int64ObservableUpDownCounter{}, nil
}

func (r *recorder) Int64ObservableGauge(name string, opts ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	r.note(name, metric.NewInt64ObservableGaugeConfig(opts...).Unit(), otlptranslator.MetricTypeGauge)
	return noop.Int64ObservableGauge{}, nil
}

func (r *recorder) Float64ObservableGauge(name string, opts ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	r.note(name, metric.NewFloat64ObservableGaugeConfig(opts...).Unit(), otlptranslator.MetricTypeGauge)
	return noop.Float64ObservableGauge{}, nil
}

func (r *recorder) Float64Histogram(name string, opts ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	r.note(name, metric.NewFloat64HistogramConfig(opts...).Unit(), otlptranslator.MetricTypeHistogram)
	return noop.Float64Histogram{}, nil
}
