package otelx

import sdktrace "go.opentelemetry.io/otel/sdk/trace"

// Processor is a span processor with the specification's OnEnding hook, which no
// released Go SDK calls yet (open-telemetry/opentelemetry-specification#5156): in
// OnEnding the span can still be written, in OnEnd it can only be read.
type Processor interface {
	sdktrace.SpanProcessor
	OnEnding(sdktrace.ReadWriteSpan)
}
