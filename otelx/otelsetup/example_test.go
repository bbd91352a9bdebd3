package otelsetup_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel"

	"github.com/postlude/postlude/otelx/otelsetup"
)

func ExampleStart() {
	ctx := context.Background()
	sdk, err := otelsetup.Start(ctx, otelsetup.Config{ServiceName: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	_, span := otel.Tracer("shop").Start(ctx, "open the shop")
	fmt.Println(span.SpanContext().IsValid())
	span.End()

	// Last of all: the runtime's own Shutdown comes before it.
	if err := sdk.Shutdown(ctx); err != nil {
		log.Print("telemetry was lost: ", err)
	}
	// Output: true
}
