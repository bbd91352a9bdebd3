package riverdurable_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/postlude/postlude/runtime/durable"
)

// TestMixedOutcomes: outcomes of all kinds are stored that come in one batch.
func TestMixedOutcomes(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		outs := []durable.Outcome{
			{Action: durable.Done},
			{Action: durable.Done, Verdict: "handled", Error: "late"},
			{Action: durable.Fail, Error: "no"},
			{Action: durable.Cancel, Error: "no"},
			{Action: durable.Done, State: []byte(`{"n":1}`)},
		}
		const rounds = 40 // more than River waits for with a batch
		h := answer(func(_ context.Context, d durable.Delivery) durable.Outcome {
			id, _ := strconv.Atoi(d.ID)
			return outs[id%len(outs)]
		})
		for range rounds * len(outs) {
			enqueue(t, b, job("task"))
		}
		work(t, b, h)
		for state, kinds := range map[string]int{"completed": 3, "discarded": 1, "cancelled": 1} {
			want := strconv.Itoa(rounds * kinds)
			eventually(t, want+" jobs are "+state, func() bool {
				return b.value("SELECT count(*) FROM river_job WHERE finalized_at IS NOT NULL AND state = '"+state+"'") == want
			})
		}
		if got := h.count(); got != rounds*len(outs) {
			t.Errorf("%d attempts of %d jobs", got, rounds*len(outs))
		}
		for key, want := range map[string]string{"postlude_verdict": "handled", "postlude_state": `{"n":1}`} {
			value := "metadata ->> '" + key + "'"
			if got := b.value("SELECT count(*) FROM river_job WHERE " + value + " = '" + want + "'"); got != strconv.Itoa(rounds) {
				t.Errorf("%s rows have the %s %s", got, key, want)
			}
		}
	})
}
