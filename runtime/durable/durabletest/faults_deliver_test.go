package durabletest_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"

	"github.com/postlude/postlude/runtime/durable"
)

var deliverFaults = []fault{
	{"reads numbers as float64", "Deliver/arguments", deliveries(func(d *durable.Delivery) { d.Args = float(d.Args) })},
	{"does so in envelopes", "Deliver/envelope", deliveries(func(d *durable.Delivery) { d.Envelope = float(d.Envelope) })},
	{"does so in State", "Outcome/state", deliveries(func(d *durable.Delivery) {
		if d.State != nil {
			d.State = float(d.State)
		}
	})},
	{"forgets the default queue's name", "Deliver/default queue", deliveries(func(d *durable.Delivery) {
		d.Queue = strings.TrimPrefix(d.Queue, durable.DefaultQueue)
	})},
	{"has one queue", "Options/queues are apart", func(b *broken) {
		jobs(func(j *durable.Job) { j.Queue = "" })(b)
		b.worker = func(_ context.Context, w *durable.Worker) { w.Queues = nil }
		b.before = func(w *durable.Worker, d *durable.Delivery) { d.Queue = w.Queues[0] }
	}},
	{"has one task", "Session/unknown tasks wait", func(b *broken) {
		jobs(func(j *durable.Job) { j.Task = "any" })(b)
		b.worker = func(_ context.Context, w *durable.Worker) { w.Tasks = []string{"any"} }
		b.before = func(w *durable.Worker, d *durable.Delivery) { d.Task = w.Tasks[0] }
	}},
	{"works one queue at a time", "Options/queues are side by side", func(b *broken) {
		b.worker = func(_ context.Context, w *durable.Worker) { w.Limit = 2 }
	}},
	{"exceeds the Limit", "Crowd/limit", func(b *broken) {
		b.worker = func(_ context.Context, w *durable.Worker) { w.Limit++ }
	}},
	{"stays below the Limit", "Crowd/limit", func(b *broken) {
		b.worker = func(_ context.Context, w *durable.Worker) { w.Limit-- }
	}},
	{"delivers twice now and then", "Crowd/two sessions", func(b *broken) {
		var n atomic.Int64
		b.after = func(_ durable.Delivery, o durable.Outcome) durable.Outcome {
			if n.Add(1) == 200 {
				return durable.Outcome{}
			}
			return o
		}
	}},
	{"delivers to two at once", "Crowd/two sessions", func(b *broken) {
		var n atomic.Int64
		b.worker = func(_ context.Context, w *durable.Worker) {
			do := w.Do
			w.Do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
				if n.Add(1) == 200 {
					do(ctx, d)
				}
				return do(ctx, d)
			}
		}
	}},
}

// deliveries makes a fault of what is done to a job on its way out.
func deliveries(change func(*durable.Delivery)) func(*broken) {
	return func(b *broken) { b.before = func(_ *durable.Worker, d *durable.Delivery) { change(d) } }
}

func float(data json.RawMessage) json.RawMessage {
	var v any
	_ = json.Unmarshal(data, &v)
	data, _ = json.Marshal(v)
	return data
}
