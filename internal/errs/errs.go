// Package errs reads errors for telemetry. Their methods are user code and may panic:
// a nil pointer in an error interface is the usual way to make them.
package errs

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/postlude/postlude/internal/panics"
)

// Type is OpenTelemetry's error.type: what an ErrorType method says, else the name of
// the type, seen through the wrapping of fmt.Errorf.
func Type(err error) (name string) {
	if p := panics.Try(func() { name = semconv.ErrorType(err).Value.AsString() }); p != nil {
		return fmt.Sprintf("%T", err)
	}
	return Clean(name, maxText)
}

// maxText and maxStack bound what an error may add to a span, a record and a page.
const (
	maxText  = 16 << 10
	maxStack = 64 << 10
)

// Clean makes text fit for telemetry: at most limit bytes, and valid UTF-8, as one string
// that is not has a whole batch of spans refused by OTLP's encoding.
func Clean(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Stack is a stack trace fit for telemetry.
func Stack(text string) string { return Clean(text, maxStack) }

// Text is the error's text.
func Text(err error) (text string) {
	if p := panics.Try(func() { text = err.Error() }); p != nil {
		// Not the panic's value: what a broken method throws may hold anything.
		return fmt.Sprintf("!PANIC: Error of %T", err)
	}
	return Clean(text, maxText)
}
