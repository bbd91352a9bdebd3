package otlp

import (
	"encoding/hex"
	"slices"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/postlude/postlude/e2e/internal/receiver"
)

// instrument is what a metric has to be.
type instrument struct {
	unit  string
	kind  string // histogram, counter, gauge (a sum that goes up and down) or level (a gauge)
	total float64
	attrs []string // that its points may have
}

// instruments are those that the requests of runErrors use, with what they add up to:
// 8 tasks, one of them in three attempts.
var instruments = map[string]instrument{
	"task.run.duration":   {"s", "histogram", 10, []string{"task.name", "task.timing", "task.outcome", "error.type"}},
	"task.queue.duration": {"s", "histogram", 10, []string{"task.name", "task.timing"}},
	"task.active":         {"{attempt}", "gauge", 0, []string{"task.name", "task.timing"}},
	"task.pending":        {"{task}", "gauge", 0, []string{"task.name", "task.timing"}},
	"task.attempts":       {"{attempt}", "counter", 10, []string{"task.name", "task.timing", "task.outcome", "error.type"}},
	"task.retries":        {"{attempt}", "counter", 2, []string{"task.name", "task.timing"}},
	"task.verdicts":       {"{attempt}", "counter", 9, []string{"task.name", "task.timing", "task.verdict"}},
	"task.escalations":    {"{notification}", "counter", 2, []string{"task.name", "task.timing"}},

	// Of the runtime, which is empty when it is asked for the last time.
	"task.slots":              {"{task}", "level", 0, nil},
	"task.slots.max":          {"{task}", "level", 65_536, nil},
	"task.workers":            {"{worker}", "level", 0, nil},
	"task.workers.max":        {"{worker}", "level", 1024, nil},
	"task.pending.oldest_age": {"s", "level", 0, nil},
}

// bounds are those of both histograms, in seconds.
var bounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

func (r *received) checkMetrics(t *testing.T) {
	all := r.Metrics()
	for name, want := range instruments {
		m, ok := all[name]
		if !ok {
			t.Errorf("there is no %s", name)
			continue
		}
		if m.Unit != want.unit || m.Description == "" || m.Scope != scope {
			t.Errorf("%s has unit %q, description %q, scope %q", name, m.Unit, m.Description, m.Scope)
		}
		kind, total := r.look(t, m, want.attrs)
		if kind != want.kind || total != want.total {
			t.Errorf("%s is a %s of %v, not a %s of %v", name, kind, total, want.kind, want.total)
		}
	}
	for name, m := range all {
		if _, ok := instruments[name]; !ok && m.Scope == scope {
			t.Errorf("%s was not expected", name)
		}
	}
}

// look returns what kind of metric m is, and what its points add up to.
func (r *received) look(t *testing.T, m receiver.Metric, attrs []string) (kind string, total float64) {
	t.Helper()
	switch data := m.Data.(type) {
	case *metrics.Metric_Histogram:
		checkCumulative(t, m.Name, data.Histogram.AggregationTemporality)
		for _, p := range data.Histogram.DataPoints {
			total += float64(p.Count)
			checkPoint(t, m.Name, p, attrs)
			r.checkBuckets(t, m.Name, p)
		}
		return "histogram", total
	case *metrics.Metric_Sum:
		checkCumulative(t, m.Name, data.Sum.AggregationTemporality)
		for _, p := range data.Sum.DataPoints {
			total += float64(p.GetAsInt())
			checkPoint(t, m.Name, p, attrs)
		}
		if data.Sum.IsMonotonic {
			return "counter", total
		}
		return "gauge", total
	case *metrics.Metric_Gauge:
		for _, p := range data.Gauge.DataPoints {
			total += float64(p.GetAsInt()) + p.GetAsDouble()
			if len(p.Attributes) > 0 {
				t.Errorf("a point of %s has %v", m.Name, p.Attributes)
			}
		}
		return "level", total
	}
	return "something else", 0
}

func checkCumulative(t *testing.T, name string, is metrics.AggregationTemporality) {
	t.Helper()
	if is != metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
		t.Errorf("%s is %v", name, is)
	}
}

// point is what points of all kinds have.
type point interface {
	GetAttributes() []*common.KeyValue
	GetStartTimeUnixNano() uint64
	GetTimeUnixNano() uint64
}

func checkPoint(t *testing.T, name string, p point, attrs []string) {
	t.Helper()
	for key, value := range receiver.Map(p.GetAttributes()) {
		if _, isText := value.(string); !isText || !slices.Contains(attrs, key) {
			t.Errorf("a point of %s has %s=%#v", name, key, value)
		}
	}
	if p.GetStartTimeUnixNano() == 0 || p.GetStartTimeUnixNano() >= p.GetTimeUnixNano() {
		t.Errorf("a point of %s is from %d to %d", name, p.GetStartTimeUnixNano(), p.GetTimeUnixNano())
	}
}

// checkBuckets: the buckets are ours, and their exemplars are attempts of the point's task.
func (r *received) checkBuckets(t *testing.T, name string, p *metrics.HistogramDataPoint) {
	t.Helper()
	if !slices.Equal(p.ExplicitBounds, bounds) || len(p.BucketCounts) != len(bounds)+1 {
		t.Errorf("%s has the bounds %v", name, p.ExplicitBounds)
	}
	var n uint64
	for _, c := range p.BucketCounts {
		n += c
	}
	if n != p.Count || p.GetSum() <= 0 {
		t.Errorf("%s has %d in its buckets, count %d, sum %v", name, n, p.Count, p.GetSum())
	}
	if len(p.Exemplars) == 0 {
		t.Errorf("%s has no exemplar", name)
	}
	for _, e := range p.Exemplars {
		s, ok := r.spans[hex.EncodeToString(e.SpanId)]
		if !ok || s.Trace() != hex.EncodeToString(e.TraceId) || s.Attrs["task.name"] != receiver.Map(p.Attributes)["task.name"] {
			t.Errorf("an exemplar of %s leads to %q", name, s.GetName())
		}
	}
}
