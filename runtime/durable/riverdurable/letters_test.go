package riverdurable_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

func ids(letters []durable.DeadLetter) (all []string) {
	for _, l := range letters {
		all = append(all, l.ID)
	}
	return all
}

func failing(context.Context, durable.Delivery) durable.Outcome {
	return durable.Outcome{Action: durable.Fail, Error: "no"}
}

func TestDeadLetters(t *testing.T) {
	opts := []riverdurable.Option{riverdurable.Queue("mail", 5)}
	each(t, opts, func(t *testing.T, b backend) {
		work(t, b, answer(failing), func(w *durable.Worker) { w.Tasks = []string{"task", "other"} })
		for _, j := range []durable.Job{job("task"), job("other"), job("task", durable.Queue("mail")), job("task"), job("other")} {
			r := enqueue(t, b, j)
			b.awaitState(t, r.ID, "discarded")
			time.Sleep(2 * time.Millisecond) // the times of two failures differ
		}
		list := func(q durable.Query) []string {
			letters, err := b.DeadLetters(bg, q)
			must(t, err)
			return ids(letters)
		}
		for name, c := range map[string]struct {
			query durable.Query
			want  string
		}{
			"all":             {durable.Query{}, "5 4 3 2 1"},
			"a page":          {durable.Query{Limit: 2}, "5 4"},
			"the next":        {durable.Query{Limit: 2, Before: "4"}, "3 2"},
			"the last":        {durable.Query{Limit: 2, Before: "2"}, "1"},
			"after the last":  {durable.Query{Before: "1"}, ""},
			"of a task":       {durable.Query{Task: "other"}, "5 2"},
			"of a queue":      {durable.Query{Queue: "mail"}, "3"},
			"of none":         {durable.Query{Task: "mail"}, ""},
			"of a page, both": {durable.Query{Task: "task", Queue: "default", Before: "4"}, "1"},
		} {
			if got := strings.Join(list(c.query), " "); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
		must(t, b.Discard(bg, "4"))
		if got := list(durable.Query{Before: "4"}); !slices.Equal(got, []string{"3", "2", "1"}) {
			t.Errorf("after a letter that is gone: %v", got)
		}
		if _, err := b.DeadLetters(bg, durable.Query{Before: "x"}); err == nil {
			t.Error("a cursor that is none")
		}
	})
}

func TestNotFound(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		waiting := enqueue(t, b, job("task"))
		for _, id := range []string{"", "x", "-1", "0", "007", "99", "99999999999999999999", waiting.ID} {
			_, err := b.DeadLetter(bg, id)
			for name, err := range map[string]error{"DeadLetter": err, "Retry": b.Retry(bg, id), "Discard": b.Discard(bg, id)} {
				if !errors.Is(err, durable.ErrNotFound) {
					t.Errorf("%s(%q): %v", name, id, err)
				}
			}
		}
		if b.state(waiting.ID) != "available" {
			t.Error("the one that waits was touched")
		}
	})
}

func TestRetryOfATakenKey(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		dead := enqueue(t, b, job("task", durable.UniqueUntilDone("k")))
		s := work(t, b, answer(failing))
		b.awaitState(t, dead.ID, "discarded")
		stop(t, s)
		second := enqueue(t, b, job("task", durable.UniqueUntilDone("k")))
		if second.Duplicate != nil {
			t.Error("a dead letter holds its key")
		}
		if err := b.Retry(bg, dead.ID); err == nil || !strings.Contains(err.Error(), "unique key") {
			t.Errorf("%v", err)
		}
		if b.state(dead.ID) != "discarded" {
			t.Error("it is no dead letter any more")
		}
	})
}

// TestRetryWakes: an operator does not wait for the next look.
func TestRetryWakes(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := &handler{}
		h.do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
			if h.count() == 1 {
				return failing(ctx, d)
			}
			return done(ctx, d)
		}
		r := enqueue(t, b, job("task"))
		work(t, b, h)
		b.awaitState(t, r.ID, "discarded")
		must(t, b.Retry(bg, r.ID))
		eventuallyIn(t, 2*time.Second, "it is delivered again", func() bool { return h.count() == 2 })
	})
}
