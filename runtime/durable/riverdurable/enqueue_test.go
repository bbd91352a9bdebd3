package riverdurable_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

var bg = context.Background()

// TestRow pins what River's tools see: the task is the kind, and the arguments are as they
// are, not wrapped in anything of the Go type that all tasks share.
func TestRow(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		long := strings.Repeat("n", durable.MaxTaskName)
		for _, task := range []string{"send receipt", "x", long, "résumé/π"} {
			j := job(task)
			j.Args = json.RawMessage(`["a<b", {"n": 12345678901234567890}, null]`)
			r := enqueue(t, b, j)
			if got := b.value("SELECT kind FROM river_job WHERE id = " + r.ID); got != task {
				t.Errorf("the kind is %q, want %q", got, task)
			}
			args := "json(args)"
			if b.isPG {
				args = "args"
			}
			got := b.value("SELECT " + args + " FROM river_job WHERE id = " + r.ID)
			if strings.ReplaceAll(got, " ", "") != `["a<b",{"n":12345678901234567890},null]` && !strings.Contains(got, `\u003c`) {
				t.Errorf("the args are %s", got)
			}
		}
	})
}

func TestArgsRoundTrip(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		args := []string{`null`, `true`, `"text"`, `12345678901234567890`, `1e3`, `[1,[2,{}]]`, `{"a":{"b":["<&>","\u00e9\\u0000"]}}`}
		h := answer(done)
		for _, a := range args {
			j := job("task")
			j.Args = json.RawMessage(a)
			enqueue(t, b, j)
		}
		work(t, b, h)
		eventually(t, "all are delivered", func() bool { return h.count() == len(args) })
		got := map[string]string{}
		for _, d := range h.deliveries() {
			got[d.ID] = string(d.Args)
		}
		for i, a := range args {
			sameJSON(t, json.RawMessage(got[string(rune('1'+i))]), a)
		}
	})
}

func TestEnqueueRefuses(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		bad := func(change func(*durable.Job)) durable.Job {
			j := job("task")
			change(&j)
			return j
		}
		for name, c := range map[string]struct {
			job  durable.Job
			want string
		}{
			"a long name":    {job(strings.Repeat("n", 128)), "128 bytes"},
			"no name":        {job(""), "no name"},
			"no arguments":   {bad(func(j *durable.Job) { j.Args = nil }), "no JSON"},
			"half arguments": {bad(func(j *durable.Job) { j.Args = json.RawMessage(`{"a":`) }), "no JSON"},
			"a queue":        {job("task", durable.Queue("No!")), "queue name"},
			"a priority":     {job("task", durable.Priority(9)), "priority"},
		} {
			_, err := b.Enqueue(bg, c.job)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "riverdurable: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
		j := job("task")
		j.Args = json.RawMessage(`"a\u0000b\\u0000"`)
		if _, err := b.Enqueue(bg, j); (err != nil) != b.isPG {
			t.Errorf("NUL: %v", err)
		}
		ctx, cancel := context.WithCancel(bg)
		cancel()
		if _, err := b.Enqueue(ctx, job("task")); !errors.Is(err, context.Canceled) {
			t.Errorf("with a canceled context: %v", err)
		}
	})
}

func TestTx(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := answer(done)
		work(t, b, h)
		tx, _, rollback := b.begin()
		never, err := b.Enqueue(durable.WithTx(bg, tx), job("task"))
		must(t, err)
		must(t, rollback())

		tx, commit, _ := b.begin()
		r, err := b.Enqueue(durable.WithTx(bg, tx), job("task"))
		must(t, err)
		must(t, commit())
		b.awaitState(t, r.ID, "completed")
		if h.count() != 1 || b.value("SELECT count(*) FROM river_job") != "1" {
			t.Errorf("%d deliveries; %s was rolled back", h.count(), never.ID)
		}
		_, err = b.Enqueue(durable.WithTx(bg, 17), job("task"))
		if !errors.Is(err, durable.ErrTx) || !strings.Contains(err.Error(), "int") || !strings.Contains(err.Error(), "Tx") {
			t.Errorf("a transaction that is none: %v", err)
		}
	})
}

func TestUnique(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		first := enqueue(t, b, job("task", durable.Unique("k")))
		again := enqueue(t, b, job("task", durable.Unique("k")))
		sameJSON(t, again.Duplicate, `{"v":1,"id":"x"}`)
		if again.ID != first.ID || first.Duplicate != nil {
			t.Errorf("%+v, %+v", first, again)
		}
		for _, other := range []durable.Job{job("task", durable.Unique("l")), job("task2", durable.Unique("k")), job("task")} {
			if r := enqueue(t, b, other); r.Duplicate != nil {
				t.Errorf("%+v is a duplicate", other)
			}
		}
		h := answer(done)
		work(t, b, h)
		b.awaitState(t, first.ID, "completed")
		if r := enqueue(t, b, job("task", durable.Unique("k"))); r.Duplicate == nil {
			t.Error("Unique does not count the one that is done")
		}
	})
}

func TestUniqueUntilDone(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := answer(done)
		first := enqueue(t, b, job("task", durable.UniqueUntilDone("k")))
		if r := enqueue(t, b, job("task", durable.UniqueUntilDone("k"))); r.Duplicate == nil {
			t.Error("no duplicate while it waits")
		}
		work(t, b, h)
		b.awaitState(t, first.ID, "completed")
		if r := enqueue(t, b, job("task", durable.UniqueUntilDone("k"))); r.Duplicate != nil {
			t.Error("a duplicate of one that is done")
		}
	})
}

func TestAt(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := answer(done)
		work(t, b, h)
		at := time.Now().Add(1500 * time.Millisecond)
		r := enqueue(t, b, job("task", durable.At(at)))
		b.awaitState(t, r.ID, "completed")
		if early := time.Until(at); early > 0 {
			t.Errorf("early by %v", early)
		}
		if late := time.Since(at); late > 3*time.Second {
			t.Errorf("late by %v", late)
		}
		far := enqueue(t, b, job("task", durable.At(time.Now().Add(time.Hour))))
		if s := b.state(far.ID); s != "scheduled" {
			t.Errorf("one of the far future is %s", s)
		}
	})
}

func TestForeignRow(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		b.exec(`INSERT INTO river_job (args, kind, max_attempts) VALUES ('{"by":"hand"}', 'task', 1)`)
		h := &handler{}
		h.do = func(context.Context, durable.Delivery) durable.Outcome {
			if h.count() < 3 { // more attempts than the row allows
				return durable.Outcome{Action: durable.Retry}
			}
			return durable.Outcome{Action: durable.Done}
		}
		work(t, b, h)
		b.awaitState(t, "1", "completed")
		if d := h.deliveries()[0]; d.Envelope != nil || d.Err != nil {
			t.Errorf("%+v", d)
		}
	})
}

func TestClosed(t *testing.T) {
	e, err := riverdurable.OpenSQLite(t.TempDir() + "/tasks.db")
	must(t, err)
	must(t, e.Close())
	if _, err := e.Enqueue(bg, job("task")); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("%v", err)
	}
}
