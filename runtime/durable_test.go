package postlude_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

type bill struct {
	Order string `json:"order"`
	Card  string `json:"card"`
}

// billing defines a durable task.
func billing(fn func(context.Context, bill) error, opts ...postlude.TaskOption) *postlude.Task[bill] {
	return postlude.Define("bill", fn, append(opts, postlude.Durable())...)
}

// durably makes a harness with an engine that runs the tasks.
func durably(t *testing.T, cfg postlude.Config, tasks ...postlude.Definition) (*postludetest.Harness, *durabletest.Engine) {
	t.Helper()
	e := durabletest.NewEngine()
	cfg.Engine, cfg.Tasks = e, tasks
	return postludetest.New(t, cfg), e
}

// one returns the only span of a name.
func one(t *testing.T, h *postludetest.Harness, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	spans := h.Spans(name)
	if len(spans) != 1 {
		t.Fatalf("%d spans %q, want 1", len(spans), name)
	}
	return spans[0]
}

// TestDurableTrace: request, schedule and run are one trace, each the child of the one
// before, and run is linked to schedule; arguments, id and baggage arrive.
func TestDurableTrace(t *testing.T) {
	var got bill
	var id, shop string
	task := billing(func(ctx context.Context, b bill) error {
		info, _ := postlude.TaskOf(ctx)
		got, id, shop = b, info.ID, baggage.FromContext(ctx).Member("shop").Value()
		return nil
	})
	h, _ := durably(t, postlude.Config{}, task)
	var run postlude.Run
	h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		member, _ := baggage.NewMember("shop", "berlin")
		bag, _ := baggage.New(member)
		run = accepted(t)(postlude.Go(baggage.ContextWithBaggage(r.Context(), bag), task.With(bill{"o-17", "4111"})))
		<-run.Done()
	}), httptest.NewRequest("POST", "/", http.NoBody))
	h.Settle()

	if got != (bill{"o-17", "4111"}) || id != run.ID() || shop != "berlin" || run.Err() != nil {
		t.Errorf("got %v of task %s (want %s) in %q, err %v", got, id, run.ID(), shop, run.Err())
	}
	schedule, ran, server := one(t, h, "schedule bill"), one(t, h, "run bill"), h.Spans("POST")
	if schedule.SpanKind() != trace.SpanKindProducer || ran.SpanKind() != trace.SpanKindConsumer {
		t.Errorf("kinds %v and %v", schedule.SpanKind(), ran.SpanKind())
	}
	if len(server) != 1 || schedule.Parent().SpanID() != server[0].SpanContext().SpanID() {
		t.Errorf("the parent of schedule is %v, want the server span", schedule.Parent().SpanID())
	}
	checkLinkedChild(t, ran, schedule.SpanContext().WithRemote(true))
	for _, s := range []sdktrace.ReadOnlySpan{schedule, ran} {
		if attrOf(s, taskconv.TaskID).AsString() != id || attrOf(s, taskconv.TaskQueue).AsString() != durable.DefaultQueue ||
			attrOf(s, taskconv.TaskArgs).AsString() != `{"order":"o-17","card":"[REDACTED]"}` {
			t.Errorf("attributes of %s: %v", s.Name(), s.Attributes())
		}
	}
	records := h.Records(taskconv.EventSucceeded)
	if len(records) != 1 || records[0][taskconv.LogTraceID] != server[0].SpanContext().TraceID().String() || records[0][taskconv.TaskQueue] != "default" {
		t.Errorf("records of success: %v", records)
	}
	want := postlude.Counts{Scheduled: 1, Succeeded: 1, Enqueued: 1}
	if c := h.Runtime().Snapshot().Counts; c != want {
		t.Errorf("counts %+v, want %+v", c, want)
	}
}

// TestDurableCallOptions: what the call sets reaches the worker, over the definition's.
func TestDurableCallOptions(t *testing.T) {
	var limited bool
	task := billing(func(ctx context.Context, _ bill) error {
		_, limited = ctx.Deadline()
		return nil
	}, postlude.Attributes(attribute.String("team", "billing")))
	h, _ := durably(t, postlude.Config{}, task)
	accepted(t)(postlude.Go(h.Context(), task.With(bill{}), postlude.Shield(true), postlude.Timeout(time.Minute),
		postlude.Relation(postlude.LinkOnly), postlude.Attributes(attribute.Int64Slice("lines", []int64{1, 1 << 60}), attribute.Float64("sum", 1.5))))
	h.Settle()
	schedule, ran := one(t, h, "schedule bill"), one(t, h, "run bill")
	if !limited {
		t.Error("the attempt has no deadline")
	}
	if ran.Parent().IsValid() || len(ran.Links()) != 1 || ran.Links()[0].SpanContext.SpanID() != schedule.SpanContext().SpanID() {
		t.Errorf("parent %v, links %v", ran.Parent(), ran.Links())
	}
	if !attrOf(ran, taskconv.TaskShield).AsBool() || attrOf(ran, "team").AsString() != "billing" ||
		attrOf(ran, "lines").AsInt64Slice()[1] != 1<<60 || attrOf(ran, "sum").AsFloat64() != 1.5 {
		t.Errorf("attributes %v", ran.Attributes())
	}
}

// TestDurableRetries: the attempts go through the queue, each linked to the one before,
// and the escalation knows them all.
func TestDurableRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(notifier)
		var at []time.Duration
		start := time.Now()
		task := billing(func(context.Context, bill) error {
			at = append(at, time.Since(start))
			return errBoom
		}, postlude.OnError(postlude.Retry{Max: 2, Base: sec}, postlude.Escalate(n)))
		h, _ := durably(t, postlude.Config{}, task)
		accepted(t)(postlude.Go(h.Context(), task.With(bill{})))
		h.Settle()

		runs := h.Spans("run bill")
		if len(runs) != 3 || at[1] != sec || at[2] != 3*sec {
			t.Fatalf("%d attempts, at %v", len(runs), at)
		}
		for i, s := range runs {
			links := s.Links()
			if attrOf(s, taskconv.TaskAttempt).AsInt64() != int64(i+1) || s.SpanContext().TraceID() != runs[0].SpanContext().TraceID() {
				t.Errorf("attempt %d: %v", i+1, s.Attributes())
			}
			if i > 0 && (len(links) != 2 || links[1].SpanContext.SpanID() != runs[i-1].SpanContext().SpanID()) {
				t.Errorf("attempt %d has the links %v", i+1, links)
			}
		}
		if len(n.told) != 1 || len(n.told[0].History) != 3 || n.told[0].History[0].Message() != "boom" ||
			n.told[0].History[0].SpanContext.SpanID() != runs[0].SpanContext().SpanID() {
			t.Errorf("told %+v", n.told)
		}
		want := postlude.Counts{Scheduled: 1, Failed: 1, Enqueued: 1, Requeued: 2}
		if c := h.Runtime().Snapshot().Counts; c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
		if h.Metric(taskconv.MetricRetries) != 2 || h.Metric(taskconv.MetricPending) != 0 || h.Metric(taskconv.MetricActive) != 0 {
			t.Error("retries, pending or active are wrong")
		}
	})
}

// TestDurableVerdicts: what the handlers decide is what becomes of the job.
func TestDurableVerdicts(t *testing.T) {
	rescue := postlude.Define("rescue", func(context.Context, bill) error { return nil })
	for name, c := range map[string]struct {
		handlers []postlude.ErrorHandler
		want     postlude.Counts
		dead     bool
	}{
		"pass":     {nil, postlude.Counts{Failed: 1}, true},
		"handled":  {[]postlude.ErrorHandler{verdict("h", postlude.Handled, new(tracer))}, postlude.Counts{Failed: 1}, false},
		"drop":     {[]postlude.ErrorHandler{verdict("h", postlude.Drop, new(tracer))}, postlude.Counts{Dropped: 1}, false},
		"escalate": {[]postlude.ErrorHandler{verdict("h", postlude.EscalateTo(new(notifier)), new(tracer))}, postlude.Counts{Failed: 1}, true},
		"fallback": {[]postlude.ErrorHandler{verdict("h", postlude.FallbackTo(rescue.With(bill{})), new(tracer))}, postlude.Counts{Succeeded: 1}, false},
		"closure": {
			[]postlude.ErrorHandler{
				verdict("closure", postlude.FallbackTo(postlude.Func("closure", failing)), new(tracer)),
				verdict("next", postlude.Handled, new(tracer)),
			}, postlude.Counts{Failed: 1}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			task := billing(func(context.Context, bill) error { return errBoom }, postlude.OnError(c.handlers...))
			h, _ := durably(t, postlude.Config{}, task)
			accepted(t)(postlude.Go(h.Context(), task.With(bill{"o-17", "4111"})))
			h.Settle()
			c.want.Scheduled, c.want.Enqueued = 1, 1
			if got := h.Runtime().Snapshot().Counts; got != c.want {
				t.Errorf("counts %+v, want %+v", got, c.want)
			}
			dead, err := h.Runtime().DeadLetters().List(t.Context(), durable.Query{})
			if err != nil || (len(dead) == 1) != c.dead {
				t.Errorf("dead letters %+v, %v", dead, err)
			}
			refused := h.Records(taskconv.EventHandlerFailed)
			if (len(refused) == 1) != (name == "closure") {
				t.Errorf("handlers that failed: %v", refused)
			}
		})
	}
}

// TestDurableFallback: the definition's own fallback gets the arguments back.
func TestDurableFallback(t *testing.T) {
	var got bill
	alt := postlude.Define("by_hand", func(_ context.Context, b bill) error { got = b; return nil })
	task := billing(func(context.Context, bill) error { return errBoom }).Fallback(alt)
	h, _ := durably(t, postlude.Config{}, task)
	accepted(t)(postlude.Go(h.Context(), task.With(bill{Order: "o-17"})))
	h.Settle()
	if c := h.Runtime().Snapshot().Counts; c.Succeeded != 1 || got.Order != "o-17" {
		t.Errorf("%+v, fallback got %+v", c, got)
	}
}

// TestDurableEnds: panic, Goexit and timeout of a durable task end as dead letters, and
// the worker goes on.
func TestDurableEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kinds := map[string]postlude.Kind{"panic": postlude.KindPanic, "goexit": postlude.KindPanic, "timeout": postlude.KindTimeout}
		task := billing(func(ctx context.Context, b bill) error {
			switch b.Order {
			case "panic":
				panicHere()
			case "goexit":
				goexit()
			}
			<-ctx.Done()
			return ctx.Err()
		}, postlude.Timeout(sec))
		h, _ := durably(t, postlude.Config{}, task)
		for how := range kinds {
			accepted(t)(postlude.Go(h.Context(), task.With(bill{Order: how})))
		}
		h.Settle()
		dead, err := h.Runtime().DeadLetters().List(t.Context(), durable.Query{Task: "bill"})
		if err != nil || len(dead) != len(kinds) {
			t.Fatalf("%d dead letters, %v", len(dead), err)
		}
		for _, d := range dead {
			how := strings.Split(d.Args, `"`)[3]
			if d.Kind != kinds[how] || d.Message == "" || len(d.History) != 1 || !d.SpanContext.IsValid() {
				t.Errorf("%s: %+v", how, d)
			}
		}
	})
}

// TestDurableMisuse: what can't be durable is refused at once, with what to do.
func TestDurableMisuse(t *testing.T) {
	task := billing(func(context.Context, bill) error { return nil })
	plain := postlude.Define("plain", func(context.Context, int) error { return nil })
	unencodable := postlude.Define("chan", func(context.Context, chan int) error { return nil }, postlude.Durable())
	h, _ := durably(t, postlude.Config{}, task)
	none := postludetest.New(t, postlude.Config{})
	ctx := h.Context()
	for name, c := range map[string]struct {
		ctx  context.Context
		job  postlude.Job
		opts []postlude.Option
		want error
	}{
		"handler of a call":          {ctx, task.With(bill{}), []postlude.Option{postlude.OnError(postlude.Retry{Max: 1})}, postlude.ErrNotDurable},
		"queue of a plain task":      {ctx, plain.With(1), []postlude.Option{postlude.Queueing(durable.Priority(2))}, postlude.ErrNotDurable},
		"queue of a closure":         {ctx, postlude.Func("f", failing), []postlude.Option{postlude.Queueing(durable.Priority(2))}, postlude.ErrNotDurable},
		"arguments that are no JSON": {ctx, unencodable.With(nil), nil, postlude.ErrNotDurable},
		"a wrong queue":              {ctx, task.With(bill{}), []postlude.Option{postlude.Queueing(durable.Queue("No Name"))}, postlude.ErrInvalidTask},
		"no engine":                  {none.Context(), task.With(bill{}), nil, postlude.ErrNoEngine},
	} {
		for _, schedule := range []func(context.Context, postlude.Job, ...postlude.Option) (postlude.Run, error){postlude.Go} {
			if run, err := schedule(c.ctx, c.job, c.opts...); !errors.Is(err, c.want) || run.ID() != "" {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	}
	for name, c := range map[string]struct {
		cfg  postlude.Config
		want error
	}{
		"no engine":   {postlude.Config{Tasks: []postlude.Definition{task}}, postlude.ErrNoEngine},
		"unencodable": {postlude.Config{Tasks: []postlude.Definition{unencodable}, Engine: durabletest.NewEngine()}, postlude.ErrNotDurable},
		"long name": {postlude.Config{Engine: durabletest.NewEngine(), Tasks: []postlude.Definition{
			postlude.Define(strings.Repeat("n", durable.MaxTaskName+1), func(context.Context, int) error { return nil }, postlude.Durable()),
		}}, postlude.ErrNotDurable},
	} {
		if _, err := postlude.New(c.cfg); !errors.Is(err, c.want) {
			t.Errorf("New, %s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := none.Runtime().DeadLetters().List(t.Context(), durable.Query{}); !errors.Is(err, postlude.ErrNoEngine) {
		t.Error(err)
	}
}
