package otelsetup

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	envDisabled     = "OTEL_SDK_DISABLED"
	envPropagators  = "OTEL_PROPAGATORS"
	envSampler      = "OTEL_TRACES_SAMPLER"
	envSamplerArg   = "OTEL_TRACES_SAMPLER_ARG"
	envOTLPEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envSpanQueue    = "OTEL_BSP_MAX_QUEUE_SIZE"
)

// Exporters that have a meaning of their own here. The rest is autoexport's.
const (
	exporterOTLP    = "otlp"
	exporterConsole = "console"
	exporterNone    = "none"
)

// signal is what tells traces, metrics and logs apart in the environment.
type signal struct {
	exporterVar string
	endpointVar string
	exporters   []string // what an error message offers
}

var (
	traces = signal{
		exporterVar: "OTEL_TRACES_EXPORTER",
		endpointVar: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		exporters:   []string{exporterConsole, exporterNone, exporterOTLP},
	}
	metrics = signal{
		exporterVar: "OTEL_METRICS_EXPORTER",
		endpointVar: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
		exporters:   []string{exporterConsole, exporterNone, exporterOTLP, "prometheus"},
	}
	logs = signal{
		exporterVar: "OTEL_LOGS_EXPORTER",
		endpointVar: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
		exporters:   []string{exporterConsole, exporterNone, exporterOTLP},
	}
)

// exporter names the exporter that the environment wants. Unset, it is otlp if there
// is an endpoint to send to, and none if there isn't.
func (s signal) exporter() string {
	switch {
	case os.Getenv(s.exporterVar) != "":
		return os.Getenv(s.exporterVar)
	case os.Getenv(s.endpointVar) != "", os.Getenv(envOTLPEndpoint) != "":
		return exporterOTLP
	default:
		return exporterNone
	}
}

// fault explains why the exporter that was asked for could not be made.
func (s signal) fault(name string, err error) error {
	if slices.Contains(s.exporters, name) {
		return fmt.Errorf("otelsetup: %s=%s: %w", s.exporterVar, name, err)
	}
	// Only autoexport knows what the program registered there, so an unlisted value
	// is tried before it is called wrong.
	hint := ""
	if strings.Contains(name, ",") {
		hint = "; lists are not supported, add processors with Config.SpanProcessors"
	}
	return fmt.Errorf("otelsetup: %s=%q: %w; allowed are %s%s",
		s.exporterVar, name, err, strings.Join(s.exporters, ", "), hint)
}

var errSpanQueue = errors.New("want a number of spans, 1 or more")

// spanQueueSize reads what the SDK reads too: it would go on with its default of 2,048
// if the value is no number, and panic if it is below zero.
func spanQueueSize() (int, error) {
	value := os.Getenv(envSpanQueue)
	if value == "" {
		return SpanQueueSize, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, fmt.Errorf("otelsetup: %s=%q: %w", envSpanQueue, value, errSpanQueue)
	}
	return n, nil
}

// disabled reads the variable as the specification defines booleans: only "true", in
// any case, is true.
func disabled() bool {
	return strings.EqualFold(strings.TrimSpace(os.Getenv(envDisabled)), "true")
}

// propagatorFromEnv reads OTEL_PROPAGATORS itself, because autoprop's constructor
// hands a misspelt name to the global error handler and goes on without it.
func propagatorFromEnv() (propagation.TextMapPropagator, error) {
	value := os.Getenv(envPropagators)
	if value == "" {
		return autoprop.NewTextMapPropagator(), nil
	}
	names := strings.Split(value, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	prop, err := autoprop.TextMapPropagator(names...)
	if err != nil {
		return nil, fmt.Errorf("otelsetup: %s=%q: %w; allowed are %s", envPropagators, value, err,
			"tracecontext, baggage, b3, b3multi, jaeger, xray, ottrace, none")
	}
	return prop, nil
}

var (
	errUnknownSampler = errors.New("unknown sampler")
	errSamplerArg     = errors.New("want a ratio from 0 to 1")
)

// samplers are the values of OTEL_TRACES_SAMPLER, which make a sampler of a ratio.
var samplers = map[string]func(ratio float64) sdktrace.Sampler{
	"always_on":                func(float64) sdktrace.Sampler { return sdktrace.AlwaysSample() },
	"always_off":               func(float64) sdktrace.Sampler { return sdktrace.NeverSample() },
	"traceidratio":             sdktrace.TraceIDRatioBased,
	"parentbased_always_on":    func(float64) sdktrace.Sampler { return sdktrace.ParentBased(sdktrace.AlwaysSample()) },
	"parentbased_always_off":   func(float64) sdktrace.Sampler { return sdktrace.ParentBased(sdktrace.NeverSample()) },
	"parentbased_traceidratio": func(r float64) sdktrace.Sampler { return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(r)) },
}

// samplerFromEnv makes the sampler that the SDK would make of the same variables. Faults,
// which it would only report to the global error handler before sampling everything, are
// errors.
func samplerFromEnv() (sdktrace.Sampler, error) {
	name := strings.ToLower(strings.TrimSpace(os.Getenv(envSampler)))
	if name == "" {
		name = "parentbased_always_on"
	}
	sampler, ok := samplers[name]
	if !ok {
		return nil, fmt.Errorf("otelsetup: %s=%q: %w; allowed are %s",
			envSampler, name, errUnknownSampler, strings.Join(slices.Sorted(maps.Keys(samplers)), ", "))
	}
	ratio := 1.0
	if arg := strings.TrimSpace(os.Getenv(envSamplerArg)); arg != "" && strings.HasSuffix(name, "traceidratio") {
		var err error
		// Written so that NaN fails, too.
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, fmt.Errorf("otelsetup: %s=%q: %w", envSamplerArg, arg, errSamplerArg)
		}
	}
	return sampler(ratio), nil
}
