package durabletest

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// fail is the outcome of what becomes a dead letter.
var fail = durable.Outcome{Action: durable.Fail, Error: "the bank said no", Verdict: "fail", State: json.RawMessage(`{"tried":1}`)}

var letterTests = []exercise{
	{"a whole letter", func(l *lab) {
		start := time.Now()
		j := l.job(map[string]any{"order": 17}, durable.Priority(2))
		id := l.put(l.bound(), j)
		c := l.work(1, inTurn(durable.Outcome{Action: durable.Retry, Error: "not the last error"}, fail))
		c.expect(id, 1)
		c.expect(id, 2)
		c.stop()
		listed, err := l.e.DeadLetters(l.bound(), durable.Query{Task: l.task})
		if err != nil || len(listed) != 1 {
			l.Fatalf("DeadLetters of the task: %d letters, %v; want 1", len(listed), err)
		}
		for _, d := range []durable.DeadLetter{listed[0], l.letter(id)} {
			l.sameJSON("Args", d.Args, j.Args)
			l.sameJSON("Envelope", d.Envelope, j.Envelope)
			l.sameJSON("State", d.State, fail.State)
			if d.ID != id || d.Task != j.Task || d.Queue != j.Queue || d.Priority != 2 || d.Attempt != 2 || d.Error != fail.Error || d.Err != nil {
				l.Errorf("the letter is %+v", d)
			}
			if !between(d.Enqueued, start, time.Now()) || !between(d.Failed, start, time.Now()) {
				l.Errorf("it was Enqueued %v and Failed %v, and this began %v", d.Enqueued, d.Failed, start)
			}
		}
		l.nothing("it is a dead letter")
	}},
	{"filters", func(l *lab) {
		other := l.unused("queue")
		here, there := l.dead(1)[0], l.dead(1, durable.Queue(other))[0]
		for _, c := range []struct {
			q    durable.Query
			want []string
		}{
			{durable.Query{Task: l.task}, []string{there, here}},
			{durable.Query{Queue: l.queue}, []string{here}},
			{durable.Query{Queue: other, Task: l.task}, []string{there}},
			{durable.Query{Queue: other, Task: l.unused("task")}, nil},
			{durable.Query{Queue: l.unused("queue")}, nil},
			{durable.Query{Task: l.task, Limit: 1}, []string{there}},
		} {
			if got := l.list(c.q); !slices.Equal(got, c.want) {
				l.Errorf("%+v selects %v, want %v", c.q, got, c.want)
			}
		}
	}},
	{"pages", func(l *lab) {
		want := l.dead(7)
		slices.Reverse(want) // the latest first
		var got []string
		q := durable.Query{Task: l.task, Limit: 3}
		for _, length := range []int{3, 3, 1, 0} {
			page := l.list(q)
			if len(page) != length {
				l.Fatalf("the page after %q has %d letters, want %d", q.Before, len(page), length)
			}
			got = append(got, page...)
			q.Before = got[len(got)-1]
		}
		if !slices.Equal(got, want) {
			l.Errorf("the pages list %v, want %v", got, want)
		}
	}},
	{"default limit", func(l *lab) {
		c := l.work(10, always(fail))
		for range durable.DefaultLimit + 5 {
			l.enqueue(1)
		}
		c.take(durable.DefaultLimit + 5)
		c.stop()
		first := l.list(durable.Query{Task: l.task})
		if len(first) != durable.DefaultLimit {
			l.Fatalf("a query without a limit lists %d letters, want %d", len(first), durable.DefaultLimit)
		}
		rest := l.list(durable.Query{Task: l.task, Before: first[len(first)-1]})
		all := slices.Concat(first, rest)
		slices.Sort(all)
		if all = slices.Compact(all); len(all) != durable.DefaultLimit+5 {
			l.Errorf("the two pages have %d letters, want %d", len(all), durable.DefaultLimit+5)
		}
		if all := l.list(durable.Query{Task: l.task, Limit: 10 * durable.DefaultLimit}); len(all) != durable.DefaultLimit+5 {
			l.Errorf("a longer limit lists %d letters, want %d", len(all), durable.DefaultLimit+5)
		}
	}},
	{"retry", func(l *lab) {
		j := l.job("again")
		id := l.put(l.bound(), j)
		c := l.work(1, inTurn(durable.Outcome{Action: durable.Retry, Error: "not the last error"}, fail))
		c.expect(id, 1)
		c.expect(id, 2)
		c.stop()
		if err := l.e.Retry(l.bound(), id); err != nil {
			l.Fatalf("Retry: %v", err)
		}
		l.noLetter(id)
		c = l.work(1, inTurn(durable.Outcome{Action: durable.Retry, Error: "and again"}))
		d := c.next()
		if d.Attempt != 1 {
			l.Errorf("the first attempt after Retry is the %d.", d.Attempt)
		}
		l.sameJSON("Args", d.Args, j.Args)
		l.sameJSON("Envelope", d.Envelope, j.Envelope)
		l.sameJSON("State", d.State, fail.State)
		if d = c.next(); d.Attempt != 2 {
			l.Errorf("the second attempt after Retry is the %d.", d.Attempt)
		}
		l.nothing("it was done")
	}},
	{"dead again", func(l *lab) {
		id := l.dead(1)[0]
		for range 3 {
			if err := l.e.Retry(l.bound(), id); err != nil {
				l.Fatalf("Retry: %v", err)
			}
			c := l.work(1, always(fail))
			c.next()
			c.stop()
			all := l.list(durable.Query{Task: l.task})
			if len(all) != 1 {
				l.Fatalf("there are %d letters, want 1", len(all))
			}
			id = all[0]
		}
	}},
	{"retry while the key is taken", func(l *lab) {
		key := durable.UniqueUntilDone(l.unused("key"))
		id := l.dead(1, key)[0]
		l.enqueue("the next", key)
		if err := l.e.Retry(l.bound(), id); err == nil || errors.Is(err, durable.ErrNotFound) {
			l.Errorf("Retry of a letter whose key another job has taken returned %v, want an error that says so", err)
		}
		l.letter(id)
		l.work(1, done).next()
		l.nothing("its key was taken")
	}},
	{"retry twice at once", func(l *lab) {
		id := l.dead(1)[0]
		const callers = 8
		errs := make(chan error, callers)
		for range callers {
			go func() { errs <- l.e.Retry(l.bound(), id) }()
		}
		retried := 0
		for range callers {
			switch err := receive(l, "the end of Retry", errs); {
			case err == nil:
				retried++
			case !errors.Is(err, durable.ErrNotFound):
				l.Errorf("Retry of a letter that another call may have retried: %v, want nil or durable.ErrNotFound", err)
			}
		}
		if retried == 0 {
			l.Error("no call of Retry succeeded")
		}
		l.work(1, done).next()
		l.nothing("one call of Retry or several, it is one job")
	}},
	{"discard", func(l *lab) {
		ids := l.dead(2)
		if err := l.e.Discard(l.bound(), ids[0]); err != nil {
			l.Fatalf("Discard: %v", err)
		}
		l.noLetter(ids[0])
		if got := l.list(durable.Query{Task: l.task}); !slices.Equal(got, ids[1:]) {
			l.Errorf("the letters %v are left, want %v", got, ids[1:])
		}
		l.nothing("it was discarded")
	}},
	{"not found", func(l *lab) {
		ended, waits := l.enqueue("ends"), l.enqueue("waits", durable.At(time.Now().Add(time.Hour)))
		c := l.work(1, done)
		c.expect(ended, 1)
		c.stop()
		for _, id := range []string{
			ended, waits, "", "0", "-1", "x", "1.5", "9223372036854775807", "99999999999999999999999", "' or 1=1 --", "\x00\xff", l.unused("id"),
		} {
			l.noLetter(id)
		}
		l.stats("a job that waits is left alone", durable.QueueStats{Scheduled: 1})
	}},
}
