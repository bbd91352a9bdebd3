package riverdurable_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/postlude/postlude/runtime/durable"
)

// TestRefusedOutcome: an outcome that the database will never take holds up no other, and
// its job is tried again.
func TestRefusedOutcome(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		if b.isPG {
			b.exec("ALTER TABLE river_job ADD CONSTRAINT moody CHECK (state <> 'completed' OR priority <> 2)")
		} else {
			b.exec(`CREATE TRIGGER moody BEFORE UPDATE ON river_job WHEN new.state = 'completed' AND new.priority = 2
BEGIN SELECT RAISE(ABORT, 'moody'); END`)
		}
		var ids []string
		for i := range 20 {
			priority := 1
			if i%7 == 3 {
				priority = 2
			}
			ids = append(ids, enqueue(t, b, job("task", durable.Priority(priority))).ID)
		}
		s := work(t, b, answer(done), func(w *durable.Worker) { w.Logger = discard })
		for i, id := range ids {
			want := "completed"
			if i%7 == 3 {
				want = "retryable"
			}
			b.awaitState(t, id, want)
		}
		last := "json_extract(errors, '$[#-1].error')"
		if b.isPG {
			last = "errors[1] ->> 'error'"
		}
		if got := b.value("SELECT " + last + " FROM river_job WHERE id = " + ids[3]); !strings.Contains(got, "moody") {
			t.Errorf("its error is %q", got)
		}
		stop(t, s)
	})
}

// TestPanic: Do must not, but if it does, that is an error like others, whatever its text.
func TestPanic(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := answer(func(_ context.Context, d durable.Delivery) durable.Outcome {
			if d.Priority == 2 {
				panic("bad \x00\xff text")
			}
			return durable.Outcome{Action: durable.Done}
		})
		bad := enqueue(t, b, job("task", durable.Priority(2)))
		good := enqueue(t, b, job("task"))
		work(t, b, h, func(w *durable.Worker) { w.Logger = discard })
		b.awaitState(t, good.ID, "completed")
		b.awaitState(t, bad.ID, "retryable")
		errors := "json(errors)"
		if b.isPG {
			errors = "errors"
		}
		if got := b.value("SELECT " + errors + " FROM river_job WHERE id = " + bad.ID); !strings.Contains(got, "bad ") || strings.Contains(got, "database refused") {
			t.Errorf("its errors are %s", got)
		}
	})
}

// TestStateIsNone: a State that is no JSON leaves the one before, and the action is done.
func TestStateIsNone(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		states := []string{`{"a":1}`, `{"a":`, "\x00", "{\"a\":\"\x00\"}"}
		h := &handler{}
		h.do = func(context.Context, durable.Delivery) durable.Outcome {
			if n := h.count(); n <= len(states) {
				return durable.Outcome{Action: durable.Retry, State: json.RawMessage(states[n-1])}
			}
			return durable.Outcome{Action: durable.Done}
		}
		r := enqueue(t, b, job("task"))
		work(t, b, h, func(w *durable.Worker) { w.Logger = discard })
		b.awaitState(t, r.ID, "completed")
		for i, d := range h.deliveries()[1:] {
			if string(d.State) != states[0] {
				t.Errorf("delivery %d has the state %q", i+1, d.State)
			}
		}
	})
}
