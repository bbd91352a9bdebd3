// Package errs reads errors for telemetry. Their methods are user code and may panic:
// a nil pointer in an error interface is the usual way to make them.
package errs

import (
	"fmt"

	"go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/postlude/postlude/internal/panics"
)

// Type is OpenTelemetry's error.type: what an ErrorType method says, else the name of
// the type, seen through the wrapping of fmt.Errorf.
func Type(err error) (name string) {
	if p := panics.Try(func() { name = semconv.ErrorType(err).Value.AsString() }); p != nil {
		return fmt.Sprintf("%T", err)
	}
	return name
}

// Text is the error's text.
func Text(err error) (text string) {
	if p := panics.Try(func() { text = err.Error() }); p != nil {
		// Not the panic's value: what a broken method throws may hold anything.
		return fmt.Sprintf("!PANIC: Error of %T", err)
	}
	return text
}
