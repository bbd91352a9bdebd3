package otelsetup_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/postlude/postlude/otelx/otelsetup"
	"github.com/postlude/postlude/runtime/taskconv"
)

// A queue that is full tells so while it happens: number, metric and, once a minute, a record.
func TestDroppedSpansAreTold(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "test")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		e := &backEnd{export: func(context.Context, int) error {
			time.Sleep(time.Second)
			if !up.Load() {
				return errors.New("503")
			}
			return nil
		}}
		current = e
		reader := sdkmetric.NewManualReader()
		var out syncBuffer
		sdk := start(t, otelsetup.Config{Logger: jsonLogger(&out), MetricReaders: []sdkmetric.Reader{reader}})
		endSpans(t, sdk, 10)
		synctest.Wait() // these are being exported
		endSpans(t, sdk, 10+7)
		checkDropped(t, sdk, reader, 7, 0)
		time.Sleep(1500 * time.Millisecond)
		checkDropped(t, sdk, reader, 7, 10)
		endSpans(t, sdk, 10+3)
		checkDropped(t, sdk, reader, 10, 10)
		time.Sleep(10 * time.Second)
		want := map[string]float64{"queue_full": 7, "export_failed": 10}
		for _, line := range lines(t, out.String()) {
			if line["event"] != "otel.spans_dropped" {
				continue
			}
			reason := line["reason"].(string)
			if line["otel.spans.dropped"] != want[reason] || line["level"] != "WARN" {
				t.Errorf("line %v", line)
			}
			delete(want, reason)
		}
		if len(want) > 0 {
			t.Errorf("no line of %v in\n%s", want, out.String())
		}
		before := len(out.String())
		up.Store(true)
		time.Sleep(time.Minute)
		endSpans(t, sdk, 10)
		time.Sleep(10 * time.Second)
		later := out.String()[before:]
		if got := strings.Count(later, `"event":"otel.spans_dropped"`); got != 2 || !strings.Contains(later, `"reason":"queue_full","otel.spans.dropped":3`) {
			t.Errorf("%d lines a minute later\n%s", got, later)
		}
		checkAccount(t, sdk, e, sdk.Shutdown(t.Context()), 10+17+13+10)
	})
}

func checkDropped(t *testing.T, sdk *otelsetup.SDK, r sdkmetric.Reader, full, failed int64) {
	t.Helper()
	if got := sdk.SpansDropped(); got != uint64(full+failed) {
		t.Errorf("SpansDropped = %d", got)
	}
	var rm metricdata.ResourceMetrics
	if err := r.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	m, ok := metricNamed(rm, taskconv.OTelSpansDropped)
	if !ok || m.Unit != "{span}" {
		t.Fatalf("%+v", rm.ScopeMetrics)
	}
	got := map[string]int64{}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		reason, _ := p.Attributes.Value(taskconv.Reason)
		got[reason.AsString()] = p.Value
	}
	if len(got) != 2 || got["queue_full"] != full || got["export_failed"] != failed {
		t.Errorf("the metric says %v, want %d and %d", got, full, failed)
	}
}

// The console's exports may fail, too.
func TestConsoleFailureIsCounted(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	sdk := start(t, otelsetup.Config{Console: brokenConsole{}})
	endSpans(t, sdk, 3)
	if got := sdk.SpansDropped(); got != 3 {
		t.Errorf("%d", got)
	}
}

type brokenConsole struct{}

func (brokenConsole) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
