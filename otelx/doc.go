// Package otelx holds OpenTelemetry building blocks that know nothing of
// scheduling: a span that records whatever the sampler decided, a provider that
// exports it, the span processor with the specification's OnEnding hook, and the
// instruments.
//
// It depends on the OpenTelemetry API and SDK only. Exporters are in otelsetup.
package otelx
