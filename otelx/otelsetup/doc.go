// Package otelsetup turns the OTEL_* environment variables into running
// OpenTelemetry providers for traces, metrics and logs, and puts one Shutdown
// over all three:
//
//	sdk, err := otelsetup.Start(ctx, otelsetup.Config{ServiceName: "shop"})
//	if err != nil {
//		return err
//	}
//	defer sdk.Shutdown(context.WithoutCancel(ctx))
//
// Drain the Postlude runtime before that Shutdown runs: a provider that has been
// shut down hands out spans without ids.
//
// # What it reads
//
//   - OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER: otlp,
//     console or none, for metrics prometheus too, and whatever was registered
//     with the autoexport package of OpenTelemetry's contrib repository. One
//     value each, no lists.
//   - OTEL_EXPORTER_OTLP_* (endpoint, protocol, headers, timeout, ...), for all
//     signals or for one.
//   - OTEL_PROPAGATORS; unset means tracecontext and baggage.
//   - OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which win over [Config].
//   - OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, OTEL_BSP_*, OTEL_BLRP_*,
//     OTEL_METRIC_EXPORT_*, and the limits of spans and records: the SDK reads them.
//   - OTEL_SDK_DISABLED=true, which the Go SDK itself ignores: the providers do
//     nothing, and contexts are still propagated.
//
// # Where it departs from the specification, and why
//
//   - The specification's default exporter is otlp, sent to localhost. Here a
//     signal without an exporter variable is exported over OTLP only if an
//     endpoint is configured, by OTEL_EXPORTER_OTLP_ENDPOINT or the signal's own
//     form of it. Otherwise it is exported nowhere, so that the first run on a
//     laptop prints no connection errors. Spans are still made: log records carry
//     their ids.
//   - "console" writes to [Config].Console, by default standard error. Standard
//     output belongs to the service's own JSON records.
//   - A value that nobody knows (exporter, sampler, propagator) is an error of
//     [Start], not a warning: a misspelt exporter otherwise shows up weeks later,
//     as the trace that is missing.
//   - The queue of spans is 16 times the SDK's, see [SpanQueueSize], and what it does not
//     hold is counted: the SDK drops without a word. A value of OTEL_BSP_MAX_QUEUE_SIZE
//     that is no number of spans is an error of Start, too.
//
// The package is kept apart from the rest of Postlude because exporters are heavy:
// gRPC, protobuf and Prometheus come with it.
package otelsetup
