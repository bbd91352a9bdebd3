package contend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/postlude/postlude/runtime/taskconv"
)

// The goroutines that are there are those of the default pool that ants makes on import.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// What Postlude tells and a task that is written by hand does not.
var (
	moreOnSpans   = []string{taskconv.TaskID, taskconv.TaskAttempt, taskconv.TaskArgs, taskconv.CodeFunctionName, taskconv.TaskVerdict, taskconv.TaskVerdictHandler}
	moreInRecords = []string{taskconv.TaskID, taskconv.TaskAttempt, taskconv.TaskVerdict, taskconv.TaskVerdictHandler}
	moreMetrics   = []string{
		taskconv.MetricPending, taskconv.MetricQueueDuration, taskconv.MetricVerdicts,
		taskconv.MetricSlots, taskconv.MetricSlotsMax, taskconv.MetricWorkers, taskconv.MetricWorkersMax, taskconv.MetricPendingAge,
	}
	whatAlsoVaries = []string{taskconv.LogTime, taskconv.LogTraceID, taskconv.LogSpanID, taskconv.LogDurationMS, taskconv.LogQueueDelayMS, taskconv.ExceptionStacktrace}
)

var bodies = map[string]Body{
	"success": func(context.Context, Receipt) error { return nil },
	"error":   func(context.Context, Receipt) error { return fmt.Errorf("no mail: %w", errors.ErrUnsupported) },
	"panic":   func(context.Context, Receipt) error { panic("no mail") },
}

// seen is what one task left behind.
type seen struct {
	Span    map[string]any
	Record  map[string]any
	Metrics map[string]any
}

// TestEqual holds the contenders to the same work.
func TestEqual(t *testing.T) {
	for outcome, body := range bodies {
		want := observe(t, Observed[0], Sampled, body)
		for _, kind := range Observed[1:] {
			t.Run(outcome+"/"+kind.Name, func(t *testing.T) {
				got := observe(t, kind, Sampled, body)
				compare(t, "span", got.Span, want.Span)
				compare(t, "record", got.Record, want.Record)
				compare(t, "metrics", got.Metrics, want.Metrics)
			})
		}
	}
}

// TestEqualUnsampled has no spans to compare, and all the rest.
func TestEqualUnsampled(t *testing.T) {
	for _, sampling := range []Sampling{Unsampled, NoOp} {
		want := observe(t, Observed[0], sampling, bodies["error"])
		for _, kind := range Observed[1:] {
			got := observe(t, kind, sampling, bodies["error"])
			if got.Span != nil || want.Span != nil {
				t.Errorf("%s: %s: there is a span", sampling, kind.Name)
			}
			compare(t, "record", got.Record, want.Record)
			compare(t, "metrics", got.Metrics, want.Metrics)
		}
	}
}

func compare(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(got[key], want[key]) {
			t.Errorf("%s: %s is %v, and %v by hand", what, key, got[key], want[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: %s is %v, and by hand there is none", what, key, got[key])
		}
	}
}

// observe runs one task.
func observe(t *testing.T, kind Kind, sampling Sampling, body Body) seen {
	t.Helper()
	ctx, spans, records := context.Background(), tracetest.NewInMemoryExporter(), new(bytes.Buffer)
	tel := NewTelemetry(TelemetryConfig{Sampling: sampling, Log: kind.Log, SDKSpans: kind.SDKSpans, Exporter: spans, Output: records})
	c, err := kind.New(Config{Telemetry: tel, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	request, end := tel.Request(ctx)
	if err := c.Submit(c.Context(request), Receipt{"o-17", 1999}); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	end()
	if err := errors.Join(tel.Flush(ctx), tel.Check(ctx, 1)); err != nil {
		t.Fatal(err)
	}
	all, record := spans.GetSpans(), bytes.Clone(records.Bytes()) // before the end adds its own
	if err := errors.Join(c.Close(), tel.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	parent := trace.SpanContextFromContext(request)
	return seen{spanOf(t, all, parent), recordOf(t, record, all, parent), metricsOf(t, tel)}
}

// spanOf describes the task's span by all that has to be the same.
func spanOf(t *testing.T, all tracetest.SpanStubs, parent trace.SpanContext) map[string]any {
	t.Helper()
	i := slices.IndexFunc(all, func(s tracetest.SpanStub) bool { return s.SpanKind == trace.SpanKindConsumer })
	if i < 0 {
		return nil
	}
	s := all[i]
	out := map[string]any{
		"name": s.Name, "kind": s.SpanKind, "status": s.Status, "resource": s.Resource,
		"is the request's child": s.Parent.Equal(parent), "links": len(s.Links),
		"is linked to the request": len(s.Links) == 1 && s.Links[0].SpanContext.Equal(parent),
		"events":                   len(s.Events), "dropped": s.DroppedAttributes + s.DroppedEvents + s.DroppedLinks,
	}
	put(out, "attribute ", s.Attributes, moreOnSpans)
	for _, e := range s.Events {
		put(out, "event "+e.Name+" ", e.Attributes, nil)
	}
	return out
}

// put has the values of attributes, or, of those that vary, the type.
func put(out map[string]any, prefix string, attrs []attribute.KeyValue, without []string) {
	for _, kv := range attrs {
		key := string(kv.Key)
		switch {
		case slices.Contains(without, key):
		case key == taskconv.TaskQueueDelay || key == taskconv.ExceptionStacktrace:
			out[prefix+key] = kv.Value.Type()
		default:
			out[prefix+key] = kv.Value
		}
	}
}

// recordOf describes the record.
func recordOf(t *testing.T, line []byte, all tracetest.SpanStubs, parent trace.SpanContext) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(line, &out); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if parent.IsValid() && out[taskconv.LogTraceID] != parent.TraceID().String() {
		t.Errorf("the record is of another trace than %v: %s", parent.TraceID(), line)
	}
	for _, s := range all {
		if s.SpanKind == trace.SpanKindConsumer && out[taskconv.LogSpanID] != s.SpanContext.SpanID().String() {
			t.Errorf("the record is of another span than %v: %s", s.SpanContext.SpanID(), line)
		}
	}
	for _, key := range moreInRecords {
		delete(out, key)
	}
	for _, key := range whatAlsoVaries {
		if v, ok := out[key]; ok {
			out[key] = fmt.Sprintf("a %T", v)
		}
	}
	return out
}

// metricsOf describes the metrics by name and attributes: counts have to be the same, and
// of histograms how often something was recorded, and in which buckets it may be.
func metricsOf(t *testing.T, tel *Telemetry) map[string]any {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := tel.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for _, sm := range all.ScopeMetrics {
		for _, m := range sm.Metrics {
			if slices.Contains(moreMetrics, m.Name) || strings.HasPrefix(m.Name, "otel.") {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					out[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					out[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] = fmt.Sprint(p.Count, p.Bounds)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return out
}
