package durabletest

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var outcomeTests = []exercise{
	{"done", func(l *lab) {
		id := l.enqueue(1)
		c := l.work(1, always(durable.Outcome{Action: durable.Done, Verdict: "handled", Error: "handled", State: json.RawMessage(`{"n":1}`)}))
		c.expect(id, 1)
		l.nothing("it was done")
		l.noLetter(id)
	}},
	{"retry", func(l *lab) {
		const delay = 700 * time.Millisecond
		var failed atomic.Int64
		id := l.enqueue(1)
		j := l.job(1)
		c := l.work(1, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			if d.Attempt > 1 {
				return done(ctx, d)
			}
			failed.Store(time.Now().UnixNano())
			return durable.Outcome{Action: durable.Retry, Delay: delay, Error: "not yet", Verdict: "retry"}
		})
		c.expect(id, 1)
		d := c.expect(id, 2)
		due := time.Unix(0, failed.Load()).Add(delay)
		if early := time.Until(due) - early; early > 0 {
			l.Errorf("the second attempt came %v before the delay was over", early)
		}
		if !between(d.Ready, due, time.Now()) {
			l.Errorf("it is Ready at %v, want the end of the delay: %v", d.Ready, due)
		}
		l.sameJSON("Args of the second attempt", d.Args, j.Args)
	}},
	{"retry at once", func(l *lab) {
		id := l.enqueue(1)
		c := l.work(1, inTurn(
			durable.Outcome{Action: durable.Retry, Error: "no delay"},
			durable.Outcome{Action: durable.Retry, Error: "a negative one", Delay: -time.Hour},
			durable.Outcome{Action: durable.Retry, Error: "a short one", Delay: 1},
		))
		for attempt := 1; attempt <= 4; attempt++ {
			c.expect(id, attempt)
		}
		l.nothing("it was done")
	}},
	{"retry in the far future", func(l *lab) {
		id := l.enqueue(1)
		c := l.work(1, inTurn(durable.Outcome{Action: durable.Retry, Delay: 30 * 24 * time.Hour, Error: "next month"}))
		c.expect(id, 1)
		l.nothing("it is not due for a month")
		l.noLetter(id)
	}},
	{"many retries", func(l *lab) {
		const attempts = 30 // more than the default of any queue
		id := l.enqueue(1)
		c := l.work(1, func(ctx context.Context, d durable.Delivery) durable.Outcome {
			if d.Attempt < attempts {
				return durable.Outcome{Action: durable.Retry, Error: "again"}
			}
			return done(ctx, d)
		})
		for attempt := 1; attempt <= attempts; attempt++ {
			c.expect(id, attempt)
		}
	}},
	{"state", func(l *lab) {
		state := func(a durable.Action, text string) durable.Outcome {
			return durable.Outcome{Action: a, State: json.RawMessage(text), Error: "again"}
		}
		id := l.enqueue(1)
		c := l.work(1, inTurn(
			state(durable.Requeue, `{"a requeue":"leaves it as it was"}`),
			state(durable.Retry, `{"n":9007199254740993,"deep":{"x":[1,null,"ü"]}}`),
			state(durable.Retry, `{"m":2}`), // takes the place of the other, as a whole
			durable.Outcome{Action: durable.Retry, Error: "no state"},
			state(durable.Requeue, `{"a requeue":"leaves it as it was"}`),
			state(durable.Retry, `{}`),
		))
		for i, want := range []struct {
			attempt int
			state   string
		}{
			{1, ""},
			{1, ""},
			{2, `{"n":9007199254740993,"deep":{"x":[1,null,"ü"]}}`},
			{3, `{"m":2}`},
			{4, `{"m":2}`},
			{4, `{"m":2}`},
			{5, `{}`},
		} {
			d := c.expect(id, want.attempt)
			switch {
			case want.state != "":
				l.sameJSON("State", d.State, json.RawMessage(want.state))
			case d.State != nil:
				l.Errorf("delivery %d: the State is %s, though no Outcome had one that counts", i+1, d.State)
			}
		}
	}},
	{"requeue", func(l *lab) {
		id := l.enqueue(1)
		c := l.work(1, inTurn(
			durable.Outcome{}, durable.Outcome{}, // Requeue is the zero Outcome
			durable.Outcome{Action: durable.Retry, Error: "this one counts"},
			durable.Outcome{Action: durable.Requeue, Error: "and this one does not"},
		))
		for _, attempt := range []int{1, 1, 1, 2, 2} {
			c.expect(id, attempt)
		}
		l.nothing("it was done")
	}},
	{"cancel", func(l *lab) {
		id := l.enqueue(1)
		c := l.work(1, always(durable.Outcome{Action: durable.Cancel, Error: "given up", Verdict: "drop"}))
		c.expect(id, 1)
		l.nothing("it was canceled")
		l.noLetter(id)
	}},
	{"hostile texts", func(l *lab) {
		// Errors have any bytes, and an Outcome that can't be stored has nobody to tell. So
		// an engine may change the text, but has to do what was decided.
		text := "it says \x00 \xff \xed\xa0\x80 '\"\\ %s \u2028 " + strings.Repeat("and goes on ", 20_000)
		for _, end := range []durable.Action{durable.Done, durable.Cancel, durable.Fail} {
			id := l.enqueue(1)
			c := l.work(1, inTurn(
				durable.Outcome{Action: durable.Retry, Error: text, Verdict: text},
				durable.Outcome{Action: end, Error: text, Verdict: text},
			))
			c.expect(id, 1)
			c.expect(id, 2)
			c.stop()
			if end != durable.Fail {
				l.noLetter(id)
			} else if d := l.letter(id); !strings.HasPrefix(d.Error, "it says ") {
				l.Errorf("the letter's Error begins with %.20q", d.Error)
			}
		}
		l.nothing("it ended")
	}},
	{"hostile state", func(l *lab) {
		// The same holds for a State with what the database can't store.
		for _, bad := range []string{`a\u0000b`, `\ud800`} {
			id := l.enqueue(1)
			c := l.work(1, inTurn(durable.Outcome{Action: durable.Retry, Error: "again", State: json.RawMessage(`{"text":"` + bad + `","n":1}`)}))
			c.expect(id, 1)
			d := c.expect(id, 2)
			var got struct{ N int }
			if err := json.Unmarshal(d.State, &got); err != nil || got.N != 1 {
				l.Errorf("the State is %q (%v); what is next to a text that can't be stored should be there", d.State, err)
			}
			c.stop()
		}
	}},
}
