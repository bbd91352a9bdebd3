package otelsetup_test

import (
	"io"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/goleak"

	"github.com/postlude/postlude/otelx/otelsetup"
)

// Where the signals go, by environment: ENDPOINT is the receiver's address.
func TestEnvironmentDecidesWhereSignalsGo(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  map[string]string
		// OTLP requests, and whether anything came to the console.
		traces, metrics, logs bool
		console               bool
	}{
		{name: "nothing set: nowhere"},
		{
			name:   "generic endpoint: all three",
			env:    map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "ENDPOINT"},
			traces: true, metrics: true, logs: true,
		},
		{
			name:   "endpoint of one signal: that one",
			env:    map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ENDPOINT/v1/traces"},
			traces: true,
		},
		{
			name: "none wins over an endpoint",
			env: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": "ENDPOINT",
				"OTEL_METRICS_EXPORTER":       "none", "OTEL_LOGS_EXPORTER": "none",
			},
			traces: true,
		},
		{
			name: "explicit otlp",
			env: map[string]string{
				"OTEL_LOGS_EXPORTER":               "otlp",
				"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "ENDPOINT/v1/logs",
			},
			logs: true,
		},
		{
			name: "console beside otlp",
			env: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": "ENDPOINT",
				"OTEL_TRACES_EXPORTER":        "console",
			},
			metrics: true, logs: true, console: true,
		},
		{
			name: "disabled wins over everything, faults included",
			env: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": "ENDPOINT",
				"OTEL_SDK_DISABLED":           "True",
				"OTEL_TRACES_EXPORTER":        "unheard-of",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cleanEnv(t)
			rec := newReceiver(t)
			for k, v := range tc.env {
				t.Setenv(k, strings.ReplaceAll(v, "ENDPOINT", rec.URL))
			}
			var console syncBuffer
			sdk := start(t, otelsetup.Config{Console: &console})
			emit(t, "visit")
			if err := sdk.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			traces, metrics, logs := rec.counts()
			if got := [3]bool{traces > 0, metrics > 0, logs > 0}; got != [3]bool{tc.traces, tc.metrics, tc.logs} {
				t.Errorf("received traces, metrics, logs = %v", got)
			}
			if got := console.String() != ""; got != tc.console {
				t.Errorf("console = %q", console.String())
			}
		})
	}
}

// Every fault is named in one error: variable, value, and what would be right.
func TestFaultsAreJoined(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "jeager")
	t.Setenv("OTEL_METRICS_EXPORTER", "console,otlp")
	t.Setenv("OTEL_LOGS_EXPORTER", "prometheus")
	t.Setenv("OTEL_TRACES_SAMPLER", "sometimes")
	t.Setenv("OTEL_PROPAGATORS", "tracecontext,w3c")
	_, err := otelsetup.Start(t.Context(), otelsetup.Config{
		SpanProcessors: processors(nil),
		MetricReaders:  []sdkmetric.Reader{sdkmetric.NewManualReader(), nil},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`OTEL_TRACES_EXPORTER="jeager"`, "allowed are console, none, otlp\n",
		`OTEL_METRICS_EXPORTER="console,otlp"`, "lists are not supported",
		`OTEL_LOGS_EXPORTER="prometheus"`,
		`OTEL_TRACES_SAMPLER="sometimes"`, "parentbased_traceidratio",
		`OTEL_PROPAGATORS="tracecontext,w3c"`, "b3multi",
		"SpanProcessors[0] is nil",
		"MetricReaders[1] is nil",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
}

func TestFaults(t *testing.T) {
	for name, env := range map[string][2]string{
		"protocol":             {"OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"},
		"sampler argument":     {"OTEL_TRACES_SAMPLER_ARG", "1.5"},
		"sampler not a number": {"OTEL_TRACES_SAMPLER_ARG", "NaN"},
		"span queue":           {"OTEL_BSP_MAX_QUEUE_SIZE", "-1"},
		"span queue, a word":   {"OTEL_BSP_MAX_QUEUE_SIZE", "large"},
	} {
		t.Run(name, func(t *testing.T) {
			cleanEnv(t)
			t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
			t.Setenv("OTEL_TRACES_SAMPLER", "traceidratio")
			t.Setenv(env[0], env[1])
			_, err := otelsetup.Start(t.Context(), otelsetup.Config{})
			if err == nil || strings.HasPrefix(name, "span queue") && !strings.Contains(err.Error(), env[0]) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// The console's metric reader runs a goroutine, the Prometheus one a server: both
// have to be gone when another signal fails.
func TestFailedStartLeavesNothing(t *testing.T) {
	for _, exporter := range []string{"console", "prometheus"} {
		t.Run(exporter, func(t *testing.T) {
			cleanEnv(t)
			t.Setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
			t.Setenv("OTEL_METRICS_EXPORTER", exporter)
			t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
			t.Setenv("OTEL_LOGS_EXPORTER", "unheard-of")
			ignore := goleak.IgnoreCurrent()
			before := otel.GetTracerProvider()
			_, err := otelsetup.Start(t.Context(), otelsetup.Config{Console: io.Discard})
			if err == nil || strings.Contains(err.Error(), "METRICS") {
				t.Errorf("err = %v", err)
			}
			if otel.GetTracerProvider() != before {
				t.Error("the global tracer provider has changed")
			}
			goleak.VerifyNone(t, ignore)
		})
	}
}

func TestPrometheusStops(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
	t.Setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
	ignore := goleak.IgnoreCurrent()
	if err := start(t, otelsetup.Config{}).Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, ignore)
}

func TestSamplerOfTheEnvironment(t *testing.T) {
	for sampler, want := range map[string]bool{"": true, "always_off": false, "parentbased_traceidratio": false} {
		t.Run(sampler, func(t *testing.T) {
			cleanEnv(t)
			t.Setenv("OTEL_TRACES_SAMPLER", sampler)
			t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0")
			sdk := start(t, otelsetup.Config{})
			_, span := sdk.TracerProvider.Tracer("test").Start(t.Context(), "sampled?")
			defer span.End()
			if got := span.SpanContext().IsSampled(); got != want {
				t.Errorf("sampled = %v", got)
			}
			// Log records carry the ids, sampled or not.
			if !span.SpanContext().IsValid() {
				t.Error("no ids")
			}
		})
	}
}

func TestDisabledStillPropagates(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_SDK_DISABLED", "true")
	sdk := start(t, otelsetup.Config{})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := otel.GetTextMapPropagator().Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
	ctx, span := sdk.TracerProvider.Tracer("test").Start(ctx, "nothing")
	if span.IsRecording() {
		t.Error("the span records")
	}
	out := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, out)
	if out["traceparent"] != parent {
		t.Errorf("injected %v", out)
	}
}

func TestPropagatorsOfTheEnvironment(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_PROPAGATORS", "b3, baggage")
	sdk := start(t, otelsetup.Config{})
	if got := strings.Join(sdk.Propagator.Fields(), " "); !strings.Contains(got, "b3") || !strings.Contains(got, "baggage") {
		t.Errorf("fields = %q", got)
	}
}
