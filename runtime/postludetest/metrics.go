package postludetest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Metric returns the value of a metric (see taskconv) over all its series that have the
// given attributes: the sum of a counter, up-down counter or gauge, the number of a histogram's
// measurements. It is 0 if there is no such series.
func (h *Harness) Metric(name string, attrs ...attribute.KeyValue) float64 {
	h.t.Helper()
	if h.reader == nil {
		h.t.Fatal("postludetest: the test brought its own MeterProvider: read the metrics from that")
	}
	var all metricdata.ResourceMetrics
	if err := h.reader.Collect(context.Background(), &all); err != nil {
		h.t.Fatal(err)
	}
	total := 0.0
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				total += h.sum(m.Data, attrs)
			}
		}
	}
	return total
}

func (h *Harness) sum(data metricdata.Aggregation, attrs []attribute.KeyValue) (total float64) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			total += when(p.Attributes, attrs, float64(p.Value))
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			total += when(p.Attributes, attrs, float64(p.Count))
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			total += when(p.Attributes, attrs, float64(p.Value))
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			total += when(p.Attributes, attrs, p.Value)
		}
	default:
		h.t.Fatalf("postludetest: Metric can't read a %T", data)
	}
	return total
}

// when returns value if the series has all of the attributes, else 0.
func when(series attribute.Set, attrs []attribute.KeyValue, value float64) float64 {
	for _, want := range attrs {
		if got, ok := series.Value(want.Key); !ok || got != want.Value {
			return 0
		}
	}
	return value
}
