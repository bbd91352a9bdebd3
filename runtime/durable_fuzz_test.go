package postlude_test

import (
	"context"
	"encoding/json"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

// captive is an engine that lets a test deliver what it likes.
type captive struct {
	*durabletest.Engine
	do func(context.Context, durable.Delivery) durable.Outcome
}

func (c *captive) Work(ctx context.Context, w durable.Worker) (durable.Session, error) {
	c.do = w.Do
	return c.Engine.Work(ctx, w)
}

// FuzzDeliver: whatever is stored in a queue, the runtime stands it, and says what is to
// become of it: a task that ran is done, one that can't be read is kept.
func FuzzDeliver(f *testing.F) {
	packed, err := json.Marshal(durable.Envelope{
		Version: 1, ID: "019c3a7e-0000-7000-8000-000000000001", Timing: "after_route",
		Attributes: []durable.Attribute{
			{Key: "n", Type: attribute.INT64SLICE.String(), Value: json.RawMessage(`["1","x"]`)},
			{Key: "f", Type: attribute.FLOAT64.String(), Value: json.RawMessage(`"+Inf"`)},
			{Key: "task.name", Type: attribute.STRING.String(), Value: json.RawMessage(`"evil"`)},
		},
		Carrier: durable.CarrierOf(map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=b;;,"}),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed, []byte(`{"order":"o-17"}`), []byte(`{"attempts":3,"previous":"00-x","history":[{"error":"\u0000","kind":"?"}]}`), 4)
	f.Add([]byte(goodEnvelope), []byte(`null`), []byte(`{"attempts":-9223372036854775808}`), 1<<40)
	f.Add([]byte(nextEnvelope), []byte(`[`), []byte(nil), -1)
	f.Add([]byte(`{}`), []byte(nil), []byte(`7`), 0)

	e := &captive{Engine: durabletest.NewEngine()}
	ran := false
	task := billing(func(context.Context, bill) error { ran = true; return nil })
	rt, err := postlude.New(postlude.Config{Engine: e, Tasks: []postlude.Definition{task}, Logger: quiet})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _, _ = rt.Shutdown(context.Background()) })
	f.Fuzz(func(t *testing.T, envelope, args, state []byte, attempt int) {
		ran = false
		o := e.do(t.Context(), durable.Delivery{
			Job: durable.Job{Task: "bill", Args: args, Envelope: envelope}, ID: "1", Attempt: attempt, State: state,
		})
		switch {
		case ran && o.Action != durable.Done:
			t.Errorf("it ran, and the outcome is %+v", o)
		case !ran && o.Action != durable.Fail && (o.Action != durable.Retry || o.Delay <= 0):
			t.Errorf("it did not run, and the outcome is %+v", o)
		case !ran && o.Error == "":
			t.Error("nobody is told why it did not run")
		}
	})
}
