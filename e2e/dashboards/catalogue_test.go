package dashboards

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/otlptranslator"

	"github.com/postlude/postlude/otelx"
	"github.com/postlude/postlude/runtime/taskconv"
)

// catalogue is what a query may name.
type catalogue struct {
	metrics map[string]bool     // series, as Prometheus has them
	labels  map[string][]string // and their values; nil: any
	records map[string]bool     // what the recording rules make
}

// newCatalogue derives the names from the program: the instruments that otelx makes, in
// the spelling of OpenTelemetry's exporter, and the attributes of taskconv.
func newCatalogue(t *testing.T) *catalogue {
	t.Helper()
	c := &catalogue{metrics: map[string]bool{}, labels: map[string][]string{}, records: map[string]bool{}}
	for _, m := range instruments(t) {
		c.addMetric(t, m)
	}
	consts := constants(t)
	for _, any := range []string{taskconv.TaskName, taskconv.TaskQueue, taskconv.ErrorType, "job", "instance", "le"} {
		c.labels[label(any)] = nil
	}
	c.labels[label(taskconv.TaskTiming)] = valuesOf(consts, "Timing")
	c.labels[label(taskconv.TaskOutcome)] = valuesOf(consts, "Outcome")
	c.labels[label(taskconv.TaskVerdict)] = valuesOf(consts, "Verdict")
	c.labels[label(taskconv.Reason)] = valuesOf(consts, "Reason")
	c.labels[label(taskconv.QueueState)] = valuesOf(consts, "Queue")
	return c
}

func (c *catalogue) addMetric(t *testing.T, m otlptranslator.Metric) {
	t.Helper()
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	name, err := namer.Build(m)
	if err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
	if m.Type != otlptranslator.MetricTypeHistogram {
		c.metrics[name] = true
		return
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		c.metrics[name+suffix] = true
	}
}

// label is how Prometheus spells an attribute.
func label(attribute string) string { return strings.ReplaceAll(attribute, ".", "_") }

// instruments are those that otelx makes, and one that otelsetup does.
func instruments(t *testing.T) []otlptranslator.Metric {
	t.Helper()
	var r recorder
	if _, err := otelx.NewInstruments(&r); err != nil {
		t.Fatal(err)
	}
	return append(r.made, otlptranslator.Metric{
		Name: taskconv.OTelSpansDropped, Unit: "{span}", Type: otlptranslator.MetricTypeMonotonicCounter,
	})
}

// constants are the names and values of taskconv's, read from its source, so that none is missing.
func constants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "runtime", "taskconv", "taskconv.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	consts := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			lit, ok := spec.Values[i].(*ast.BasicLit)
			if !ok {
				t.Fatalf("taskconv.%s is no literal", name.Name)
			}
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			consts[name.Name] = value
		}
		return true
	})
	return consts
}

// valuesOf are those of the constants that begin with prefix: VerdictPass, VerdictRetry, ...
func valuesOf(consts map[string]string, prefix string) (values []string) {
	for name, value := range consts {
		if strings.HasPrefix(name, prefix) && name != prefix {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return values
}

// TestCatalogueIsComplete: no metric of taskconv lacks an instrument, or the other way round.
func TestCatalogueIsComplete(t *testing.T) {
	want := append(valuesOf(constants(t), "Metric"), taskconv.OTelSpansDropped)
	slices.Sort(want)
	var got []string
	for _, m := range instruments(t) {
		got = append(got, m.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the instruments are\n%q, the constants\n%q", got, want)
	}
}

// TestCatalogueSpeaksPrometheus: a name of each kind, as the exporter is known to write it.
func TestCatalogueSpeaksPrometheus(t *testing.T) {
	c := newCatalogue(t)
	for _, name := range []string{
		"task_run_duration_seconds_bucket", "task_queue_duration_seconds_count", "task_active", "task_attempts_total",
		"task_handler_errors_total", "task_slots_max", "task_pending_oldest_age_seconds", "task_queue_jobs",
		"task_queue_oldest_age_seconds", "otel_spans_dropped_total",
	} {
		if !c.metrics[name] {
			t.Errorf("the catalogue has no %s", name)
		}
	}
}
