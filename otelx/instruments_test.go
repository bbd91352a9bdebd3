package otelx_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/postlude/postlude/otelx"
	"github.com/postlude/postlude/runtime/taskconv"
)

// measure records 1 with every instrument. It goes over the struct's fields, so that
// it can't miss one.
func measure(tb testing.TB, in *otelx.Instruments) {
	tb.Helper()
	for _, f := range reflect.ValueOf(in).Elem().Fields() {
		switch i := f.Interface().(type) {
		case metric.Float64Histogram:
			i.Record(context.Background(), 1)
		case metric.Int64Counter:
			i.Add(context.Background(), 1)
		case metric.Int64UpDownCounter:
			i.Add(context.Background(), 1)
		case metric.Int64Observable, metric.Float64Observable: // by a callback
		default:
			tb.Fatalf("%T is not known here, or nil", i)
		}
	}
}

// The instruments are those of the design, with a unit and a description each.
func TestInstruments(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	in, err := otelx.NewInstruments(provider.Meter(scope.Name))
	if err != nil {
		t.Fatal(err)
	}
	measure(t, in)
	var observables []metric.Observable
	levels := []metric.Int64Observable{in.Active, in.Pending, in.Attempts, in.Slots, in.SlotsMax, in.Workers, in.WorkersMax, in.QueueJobs}
	ages := []metric.Float64Observable{in.PendingAge, in.QueueAge}
	for _, level := range levels {
		observables = append(observables, level)
	}
	for _, age := range ages {
		observables = append(observables, age)
	}
	_, err = provider.Meter(scope.Name).RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, level := range levels {
			o.ObserveInt64(level, 1)
		}
		for _, age := range ages {
			o.ObserveFloat64(age, 1)
		}
		return nil
	}, observables...)
	if err != nil {
		t.Fatal(err)
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	bounds := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	units := map[string]string{}
	for _, m := range rm.ScopeMetrics[0].Metrics {
		units[m.Name] = m.Unit
		if !strings.HasSuffix(m.Description, ".") {
			t.Errorf("%s is described as %q", m.Name, m.Description)
		}
		switch m.Data.(type) {
		case metricdata.Gauge[int64], metricdata.Gauge[float64]:
			continue
		}
		h, isHistogram := m.Data.(metricdata.Histogram[float64])
		if isHistogram != (m.Unit == "s") || isHistogram && !slices.Equal(h.DataPoints[0].Bounds, bounds) {
			t.Errorf("%s (%s): %v", m.Name, m.Unit, m.Data)
		}
		// What goes down must not be monotonic, or back ends take it for a restart.
		sum, _ := m.Data.(metricdata.Sum[int64])
		goesDown := m.Name == taskconv.MetricActive || m.Name == taskconv.MetricPending
		if !isHistogram && sum.IsMonotonic == goesDown {
			t.Errorf("%s: monotonic is %v", m.Name, sum.IsMonotonic)
		}
	}
	want := map[string]string{
		"task.run.duration": "s", "task.queue.duration": "s", "task.active": "{attempt}", "task.pending": "{task}",
		"task.attempts": "{attempt}", "task.retries": "{attempt}", "task.dropped": "{task}", "task.rejected": "{task}",
		"task.escalations": "{notification}", "task.handler.errors": "{error}", "task.verdicts": "{attempt}",
		"task.enqueued": "{task}", "task.queue.jobs": "{job}", "task.queue.oldest_age": "s",
		"task.slots": "{task}", "task.slots.max": "{task}", "task.workers": "{worker}", "task.workers.max": "{worker}",
		"task.pending.oldest_age": "s",
	}
	if !maps.Equal(units, want) {
		t.Errorf("metrics and units:\n%v, want\n%v", units, want)
	}
	if got, want := slices.Sorted(maps.Keys(units)), metricNames(t); !slices.Equal(got, want) {
		t.Errorf("taskconv and the instruments differ:\n%v\n%v", want, got)
	}
}

// metricNames is what taskconv's constants Metric* are, read from its source: no
// list here can forget a new one.
func metricNames(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../runtime/taskconv/taskconv.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Metric") {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Error(err)
		}
		names = append(names, name)
		return true
	})
	slices.Sort(names)
	return names
}

// brokenMeter fails for every instrument. It returns nil, which the API allows.
type brokenMeter struct{ noop.Meter }

type brokenInstrument string

func (e brokenInstrument) Error() string { return string(e) + " is broken" }

func (brokenMeter) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, brokenInstrument(name)
}

func (brokenMeter) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, brokenInstrument(name)
}

func (brokenMeter) Int64ObservableUpDownCounter(name string, _ ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	return nil, brokenInstrument(name)
}

func (brokenMeter) Int64ObservableCounter(name string, _ ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	return nil, brokenInstrument(name)
}

func (brokenMeter) Int64ObservableGauge(name string, _ ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	return nil, brokenInstrument(name)
}

func (brokenMeter) Float64ObservableGauge(name string, _ ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return nil, brokenInstrument(name)
}

func TestInstrumentsOfBrokenMeter(t *testing.T) {
	in, err := otelx.NewInstruments(brokenMeter{})
	for _, name := range metricNames(t) {
		if !errors.Is(err, brokenInstrument(name)) {
			t.Errorf("the error does not tell of %s: %v", name, err)
		}
	}
	measure(t, in)
}

func TestInstrumentsOfNoopMeter(t *testing.T) {
	in, err := otelx.NewInstruments(noop.Meter{})
	if err != nil {
		t.Error(err)
	}
	measure(t, in)
}
