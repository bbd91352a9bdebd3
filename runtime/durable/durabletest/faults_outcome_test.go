package durabletest_test

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var outcomeFaults = []fault{
	{"forgets Done", "Outcome/done", turn(durable.Done, func(o *durable.Outcome) { o.Action = durable.Requeue })},
	{"retries without a delay", "Outcome/retry", turn(durable.Retry, func(o *durable.Outcome) { o.Delay = 0 })},
	{"never retries", "Outcome/retry", turn(durable.Retry, func(o *durable.Outcome) { o.Action = durable.Done })},
	{"is soon with far retries", "Outcome/retry in the far future", turn(durable.Retry, func(o *durable.Outcome) { o.Delay %= time.Hour })},
	{"counts what is handed back", "Outcome/requeue", turn(durable.Requeue, func(o *durable.Outcome) { o.Action = durable.Retry })},
	{"counts what a shutdown hands back", "Session/stop hands back", turn(durable.Requeue, func(o *durable.Outcome) { o.Action = durable.Retry })},
	{"loses what is handed back", "Session/stop hands back", turn(durable.Requeue, func(o *durable.Outcome) { o.Action = durable.Done })},
	{"keeps what was given up", "Outcome/cancel", turn(durable.Cancel, func(o *durable.Outcome) { o.Action = durable.Fail })},
	{"loses what failed", "DeadLetters/a whole letter", turn(durable.Fail, func(o *durable.Outcome) { o.Action = durable.Cancel })},
	{"forgets State", "Outcome/state", turn(durable.Retry, func(o *durable.Outcome) { o.State = nil })},
	{"resets State", "Outcome/state", turn(durable.Retry, func(o *durable.Outcome) {
		if o.State == nil {
			o.State = json.RawMessage(`{}`)
		}
	})},
	{"merges State", "Outcome/state", func(b *broken) {
		b.after = func(d durable.Delivery, o durable.Outcome) durable.Outcome {
			merged := make(map[string]any)
			_ = json.Unmarshal(d.State, &merged)
			if o.State != nil && json.Unmarshal(o.State, &merged) == nil {
				o.State, _ = json.Marshal(merged)
			}
			return o
		}
	}},
	{"gives up after 25 attempts", "Outcome/many retries", func(b *broken) {
		b.after = func(d durable.Delivery, o durable.Outcome) durable.Outcome {
			if d.Attempt >= 25 {
				o.Action = durable.Cancel
			}
			return o
		}
	}},
	{"can't store every text", "Outcome/hostile texts", func(b *broken) {
		b.after = func(_ durable.Delivery, o durable.Outcome) durable.Outcome {
			if strings.Contains(o.Error, "\x00") {
				return durable.Outcome{Action: durable.Retry, Delay: time.Hour} // the rescue of a stuck job
			}
			return o
		}
	}},
	{"mixes up plans", "Crowd/everything at once", func(b *broken) {
		var n atomic.Int64
		turn(durable.Done, func(o *durable.Outcome) {
			if n.Add(1) == 20 {
				o.Action = durable.Retry
			}
		})(b)
	}},
}

// turn makes a fault of what becomes of an action.
func turn(a durable.Action, change func(*durable.Outcome)) func(*broken) {
	return func(b *broken) {
		b.after = func(_ durable.Delivery, o durable.Outcome) durable.Outcome {
			if o.Action == a {
				change(&o)
			}
			return o
		}
	}
}
