package riverdurable_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

func TestDone(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := answer(func(context.Context, durable.Delivery) durable.Outcome {
			return durable.Outcome{Action: durable.Done, Verdict: "resolved", State: json.RawMessage(`{"n":1}`)}
		})
		r := enqueue(t, b, job("task", durable.Priority(3)))
		work(t, b, h)
		b.awaitState(t, r.ID, "completed")
		d := h.deliveries()[0]
		if d.ID != r.ID || d.Attempt != 1 || d.Task != "task" || d.Priority != 3 || d.Queue != "default" ||
			d.State != nil || d.Err != nil || time.Since(d.Ready) > time.Minute {
			t.Errorf("%+v", d)
		}
		sameJSON(t, d.Args, `{"order":17}`)
		sameJSON(t, d.Envelope, `{"v":1,"id":"x"}`)
		if got := b.value("SELECT metadata ->> 'postlude_verdict' FROM river_job"); got != "resolved" {
			t.Errorf("the verdict is %q", got)
		}
	})
}

func sameJSON(t *testing.T, got json.RawMessage, want string) {
	t.Helper()
	var a, b any
	must(t, json.Unmarshal(got, &a))
	must(t, json.Unmarshal([]byte(want), &b))
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if string(x) != string(y) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestStateReplaces: for every action that leaves a state, the next attempt gets exactly
// the last one, not a mixture.
func TestStateReplaces(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		outcomes := []durable.Outcome{
			{Action: durable.Retry, Error: "first", State: json.RawMessage(`{"a":{"x":1,"y":"\u0000"},"b":2}`)},
			{Action: durable.Requeue, State: json.RawMessage(`{"no":1}`)},
			{Action: durable.Retry, Error: "second\x00\xff", State: json.RawMessage(`{"a":{"y":3}}`)},
			{Action: durable.Retry, Error: "third"},
			{Action: durable.Fail, Error: "fourth", Verdict: "escalated", State: json.RawMessage(`{"c":4}`)},
			{Action: durable.Done},
		}
		h := &handler{}
		h.do = func(context.Context, durable.Delivery) durable.Outcome { return outcomes[h.count()-1] }
		r := enqueue(t, b, job("task"))
		work(t, b, h)
		b.awaitState(t, r.ID, "discarded")

		letter, err := b.DeadLetter(context.Background(), r.ID)
		must(t, err)
		sameJSON(t, letter.State, `{"c":4}`)
		if letter.Error != "fourth" || letter.Attempt != 4 || letter.Failed.Before(letter.Enqueued) {
			t.Errorf("%+v", letter)
		}
		must(t, b.Retry(context.Background(), r.ID))
		b.awaitState(t, r.ID, "completed")

		type seen struct {
			attempt int
			state   string
		}
		want := []seen{
			{1, ""},
			{2, `{"a":{"x":1,"y":"\u0000"},"b":2}`},
			{2, `{"a":{"x":1,"y":"\u0000"},"b":2}`},
			{3, `{"a":{"y":3}}`},
			{4, `{"a":{"y":3}}`},
			{1, `{"c":4}`},
		}
		for i, d := range h.deliveries() {
			if got := (seen{d.Attempt, string(d.State)}); got != want[i] {
				t.Errorf("delivery %d: got %v, want %v", i, got, want[i])
			}
		}
	})
}

func TestRetryDelay(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := &handler{}
		h.do = func(_ context.Context, d durable.Delivery) durable.Outcome {
			if d.Attempt < 3 {
				return durable.Outcome{Action: durable.Retry, Delay: time.Duration(d.Attempt-1) * 700 * time.Millisecond}
			}
			return durable.Outcome{Action: durable.Done}
		}
		r := enqueue(t, b, job("task"))
		work(t, b, h)
		b.awaitState(t, r.ID, "completed")
		d := h.deliveries()
		if wait := d[2].Ready.Sub(d[1].Ready); wait < 600*time.Millisecond {
			t.Errorf("the second retry was due %v after the first", wait)
		}
		if late := time.Since(d[2].Ready); late > 5*time.Second {
			t.Errorf("late by %v", late)
		}
	})
}

func TestCancel(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := answer(func(context.Context, durable.Delivery) durable.Outcome {
			return durable.Outcome{Action: durable.Cancel, Error: "given up", Verdict: "dropped", State: json.RawMessage(`{"z":1}`)}
		})
		r := enqueue(t, b, job("task"))
		work(t, b, h)
		b.awaitState(t, r.ID, "cancelled")
		if got := b.value("SELECT metadata ->> 'postlude_state' FROM river_job"); got != `{"z":1}` {
			t.Errorf("the state is %q", got)
		}
	})
}
