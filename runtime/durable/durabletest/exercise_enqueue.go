package durabletest

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/postlude/postlude/runtime/durable"
)

var enqueueTests = []exercise{
	{"without a session", func(l *lab) {
		j := l.job("early")
		id := l.put(l.bound(), j)
		c := l.work(1, done)
		l.sameJSON("Args", c.expect(id, 1).Args, j.Args)
	}},
	{"canceled context", func(l *lab) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r, err := l.e.Enqueue(ctx, l.job("late"))
		if err != nil {
			if r.ID != "" || r.Duplicate != nil {
				l.Errorf("Enqueue returned both the error %v and %+v", err, r)
			}
			l.nothing("Enqueue returned an error")
			return
		}
		// An engine that needs no time may store it, if it says so.
		l.work(1, done).expect(r.ID, 1)
	}},
	{"wrong transaction", func(l *lab) {
		type stranger struct{}
		for _, tx := range []any{stranger{}, new(stranger), "tx", 7} {
			_, err := l.e.Enqueue(durable.WithTx(l.bound(), tx), l.job("lost"))
			if !errors.Is(err, durable.ErrTx) {
				l.Errorf("Enqueue with a transaction of type %T returned %v, want durable.ErrTx", tx, err)
			}
		}
		l.nothing("the transaction was of a type that no engine knows")
	}},
	{"transaction taken out", func(l *lab) {
		ctx := durable.WithTx(durable.WithTx(l.bound(), "tx"), nil)
		l.work(1, done).expect(l.put(ctx, l.job("free")), 1)
	}},
	{"copies", func(l *lab) {
		j := l.job("the arguments are the caller's after Enqueue")
		args, envelope := string(j.Args), string(j.Envelope)
		id := l.put(l.bound(), j)
		blank(j.Args, j.Envelope)
		c := l.work(1, func(_ context.Context, d durable.Delivery) durable.Outcome {
			o := durable.Outcome{Action: durable.Done}
			if d.Attempt == 1 {
				o = durable.Outcome{Action: durable.Retry, State: json.RawMessage(`{"n":1}`)}
			}
			return o
		})
		for attempt := 1; attempt <= 2; attempt++ {
			d := c.expect(id, attempt)
			l.sameJSON("Args", d.Args, json.RawMessage(args))
			l.sameJSON("Envelope", d.Envelope, json.RawMessage(envelope))
		}
	}},
	{"what no database takes", func(l *lab) {
		for _, data := range []string{`{"v":"a\u0000b"}`, `{"\u0000":1}`, `{"v":["\ud800"]}`} {
			args, envelope := l.job(json.RawMessage(data)), l.job(1)
			envelope.Envelope = json.RawMessage(data)
			for _, j := range []durable.Job{args, envelope} {
				r, err := l.e.Enqueue(l.bound(), j)
				if err != nil {
					l.Logf("%s was refused, as it may be: %v", data, err)
					continue
				}
				c := l.work(1, done)
				d := c.expect(r.ID, 1)
				l.sameJSON("Args", d.Args, j.Args)
				l.sameJSON("Envelope", d.Envelope, j.Envelope)
				c.stop()
			}
		}
		l.nothing("it was refused, or delivered before")
	}},
}

// blank overwrites what its caller still has of it.
func blank(texts ...json.RawMessage) {
	for _, text := range texts {
		for i := range text {
			text[i] = ' '
		}
	}
}
