package otelsetup

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// newResource describes this process. It returns what could be found even when it
// returns an error.
//
// resource.Default() is not used: it is computed once in a process, whatever the
// environment says later, and has no host.name. Jaeger takes two spans without a host
// for two machines whose clocks may differ, and then warns about, or moves, every
// task that starts after its request has ended.
func newResource(ctx context.Context, cfg Config) (*resource.Resource, error) {
	return resource.New(
		ctx,
		// Later detectors win: defaults, then the program, then the environment.
		resource.WithService(),
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		// Not WithProcess: it includes the command line, where secrets may be.
		resource.WithProcessPID(),
		resource.WithProcessRuntimeName(),
		resource.WithProcessRuntimeVersion(),
		resource.WithAttributes(cfg.attributes()...),
		resource.WithFromEnv(),
	)
}

// attributes puts the named fields last, for they are more explicit than the list.
func (cfg Config) attributes() []attribute.KeyValue {
	attrs := append([]attribute.KeyValue(nil), cfg.Attributes...)
	if cfg.ServiceName != "" {
		attrs = append(attrs, semconv.ServiceName(cfg.ServiceName))
	}
	if cfg.ServiceVersion != "" {
		attrs = append(attrs, semconv.ServiceVersion(cfg.ServiceVersion))
	}
	return attrs
}
