package postlude_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

// BenchmarkDeliver: what the runtime adds to an attempt of a durable task, observed.
func BenchmarkDeliver(b *testing.B) {
	e := &captive{Engine: durabletest.NewEngine()}
	task := billing(nothing)
	benchRuntime(b, sdktrace.AlwaysSample(), postlude.Config{Engine: e, Tasks: []postlude.Definition{task}})
	envelope, err := durable.Envelope{
		ID: "019c3a7e-0000-7000-8000-000000000001", Timing: "immediate",
		Carrier: durable.CarrierOf(map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}),
	}.Encode()
	if err != nil {
		b.Fatal(err)
	}
	d := durable.Delivery{
		ID: "17", Attempt: 1, Ready: time.Now(),
		Job: durable.Job{Task: "bill", Args: json.RawMessage(`{"order":"o-17","card":"4111"}`), Envelope: envelope},
	}
	b.ReportAllocs()
	for b.Loop() {
		if o := e.do(context.Background(), d); o.Action != durable.Done {
			b.Fatalf("%+v", o)
		}
	}
}

// discarding is an engine that stores nothing.
type discarding struct{ *durabletest.Engine }

func (discarding) Enqueue(context.Context, durable.Job) (durable.Receipt, error) {
	return durable.Receipt{ID: "1"}, nil
}

// BenchmarkEnqueue: what the runtime adds to the enqueueing of a task.
func BenchmarkEnqueue(b *testing.B) {
	task := billing(nothing)
	rt := benchRuntime(b, sdktrace.AlwaysSample(), postlude.Config{Engine: discarding{durabletest.NewEngine()}, EnqueueOnly: true})
	ctx := rt.Context(context.Background())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := postlude.Go(ctx, task.With(bill{"o-17", "4111"})); err != nil {
			b.Fatal(err)
		}
	}
}
