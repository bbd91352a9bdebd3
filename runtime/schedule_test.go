package postlude_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

var okTask = postlude.Define("ok", func(context.Context, int) error { return nil })

// TestRefusals: each has an error of its own, a message that names the task and says
// what to do, a Run that says so too, and leaves no trace of the task.
func TestRefusals(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	type schedule = func(context.Context, postlude.Job, ...postlude.Option) (postlude.Run, error)
	for _, c := range []struct {
		name string
		call schedule
		ctx  context.Context
		job  postlude.Job
		opts []postlude.Option
		is   error
		says string
	}{
		{"no runtime", postlude.Go, context.Background(), okTask.With(1), nil, postlude.ErrNoRuntime, "Runtime.Middleware"},
		{"nil context", postlude.AfterRoute, nil, okTask.With(1), nil, postlude.ErrNoRuntime, `"ok"`},
		{"no request", postlude.AfterRoute, h.Context(), okTask.With(1), nil, postlude.ErrNoRequest, "use Go"},
		{"no request either", postlude.AfterResponse, h.Context(), okTask.With(1), nil, postlude.ErrNoRequest, `"ok"`},
		{"empty job", postlude.Go, h.Context(), postlude.Job{}, nil, postlude.ErrInvalidTask, "Func"},
		{"nil task", postlude.Go, h.Context(), (*postlude.Task[int])(nil).With(1), nil, postlude.ErrInvalidTask, "empty"},
		{"closure without name", postlude.Go, h.Context(), postlude.Func("", failing), nil, postlude.ErrInvalidTask, "no name"},
		{"closure without function", postlude.Go, h.Context(), postlude.Func("x", nil), nil, postlude.ErrInvalidTask, "no function"},
		{"definition without both", postlude.Go, h.Context(), postlude.Define[int]("", nil).With(1), nil, postlude.ErrInvalidTask, "no name"},
		{"negative delay", postlude.Go, h.Context(), okTask.With(1), []postlude.Option{postlude.Delay(-1)}, postlude.ErrInvalidTask, "Delay(-1ns)"},
		{"negative timeout", postlude.Go, h.Context(), okTask.With(1), []postlude.Option{postlude.Timeout(-1)}, postlude.ErrInvalidTask, "Timeout(-1ns)"},
		{"relation", postlude.Go, h.Context(), okTask.With(1), []postlude.Option{postlude.Relation(9)}, postlude.ErrInvalidTask, "Relation(9)"},
		{"nil handler", postlude.Go, h.Context(), okTask.With(1), []postlude.Option{postlude.OnError(nil)}, postlude.ErrInvalidTask, "handler is nil"},
		{"no attribute", postlude.Go, h.Context(), okTask.With(1), []postlude.Option{postlude.Attributes(attribute.KeyValue{})}, postlude.ErrInvalidTask, "Attributes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run, err := c.call(c.ctx, c.job, c.opts...)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v: want %v that says %q", err, c.is, c.says)
			}
			<-run.Started()
			<-run.Done()
			run.Cancel()
			if run.Err() == nil || run.ID() != "" {
				t.Error("the Run of no task looks like a success")
			}
		})
	}
	if s := h.Runtime().Snapshot(); s.Counts != (postlude.Counts{}) {
		t.Errorf("%+v", s.Counts)
	}
}

// TestQueueFull: the slot is taken at scheduling, and free again at the end.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Queue: 2})
		admitted(t)(postlude.Go(h.Context(), sleeper("running", time.Second)))
		admitted(t)(postlude.Go(h.Context(), sleeper("delayed", 0), postlude.Delay(time.Minute)))
		if _, err := postlude.Go(h.Context(), okTask.With(1)); !errors.Is(err, postlude.ErrQueueFull) {
			t.Errorf("the third of two: %v", err)
		}
		if n := h.Metric(taskconv.MetricRejected, attribute.String("reason", "queue_full")); n != 1 {
			t.Errorf("%v rejected", n)
		}
		h.Settle()
		admitted(t)(postlude.Go(h.Context(), okTask.With(1)))
	})
}

// TestDelay: earliest start, in the order of time, and the wait is no queue delay.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{})
		start := time.Now()
		for _, d := range []time.Duration{3 * time.Second, time.Second, 2 * time.Second, 0} {
			admitted(t)(postlude.Go(h.Context(), sleeper(d.String(), 0), postlude.Delay(d)))
		}
		h.Settle()
		for _, s := range h.Spans("") {
			d, _ := time.ParseDuration(strings.TrimPrefix(s.Name(), "run "))
			if got := s.StartTime().Sub(start); got != d || attrOf(s, "task.queue_delay").AsFloat64() != 0 {
				t.Errorf("%s started after %v, %v", s.Name(), got, s.Attributes())
			}
		}
	})
}

// TestOptionsMerge: defaults, then definition, then call; the later wins, attributes
// accumulate.
func TestOptionsMerge(t *testing.T) {
	h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{
		postlude.Shield(true), postlude.Attributes(attribute.String("a", "default"), attribute.String("b", "default")),
	}})
	task := postlude.Define("job", func(context.Context, int) error { return nil },
		postlude.Shield(false), nil, postlude.Attributes(attribute.String("a", "definition"), attribute.String("c", "definition")))
	settle(t, h, task.With(1), postlude.Attributes(attribute.String("c", "call")))
	settle(t, h, task.With(1), postlude.Shield(true), nil)
	settle(t, h, okTask.With(1))
	var got []string
	for _, s := range h.Spans("") {
		got = append(got, strings.Join([]string{
			attrOf(s, "task.shield").String(), attrOf(s, "a").String(), attrOf(s, "b").String(), attrOf(s, "c").String(),
		}, " "))
	}
	want := []string{"false definition default call", "true definition default definition", "true default default "}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if r := h.Records(taskconv.EventSucceeded)[0]; r["c"] != "call" || r["b"] != "default" {
		t.Errorf("%v", r)
	}
}

// TestRelation: child and link, link only, or neither.
func TestRelation(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	ctx := trace.ContextWithSpanContext(h.Context(), remoteParent)
	for _, r := range []postlude.Rel{postlude.ChildOf, postlude.LinkOnly, postlude.None} {
		run := admitted(t)(postlude.Go(ctx, okTask.With(1), postlude.Relation(r)))
		<-run.Done()
	}
	for i, want := range []struct {
		child bool
		links int
	}{{true, 1}, {false, 1}, {false, 0}} {
		s := h.Spans("run ok")[i]
		if s.Parent().Equal(remoteParent) != want.child || len(s.Links()) != want.links || s.SpanKind() != trace.SpanKindConsumer {
			t.Errorf("%d: parent %v, %d links, %v", i, s.Parent(), len(s.Links()), s.SpanKind())
		}
	}
}

// TestLeanContext keeps span context, baggage and the chosen values, no others.
func TestLeanContext(t *testing.T) {
	type kept struct{}
	type lost struct{}
	for name, opt := range map[string]postlude.Option{"lean": postlude.LeanContext(), "delay": postlude.Delay(time.Nanosecond)} {
		t.Run(name, func(t *testing.T) {
			h := postludetest.New(t, postlude.Config{Keep: []any{kept{}}})
			member, _ := baggage.NewMember("tenant", "t1")
			bag, _ := baggage.New(member)
			ctx := trace.ContextWithSpanContext(baggage.ContextWithBaggage(h.Context(), bag), remoteParent)
			ctx = context.WithValue(context.WithValue(ctx, kept{}, 1), lost{}, 2)
			settle2 := admitted(t)(postlude.Go(ctx, postlude.Func("job", func(ctx context.Context) error {
				if ctx.Value(kept{}) != 1 || ctx.Value(lost{}) != nil || baggage.FromContext(ctx).Member("tenant").Value() != "t1" {
					return errors.New("wrong values")
				}
				_, err := postlude.Go(ctx, okTask.With(1)) // the runtime is kept, too
				return err
			}), opt))
			h.Settle()
			if settle2.Err() != nil || !h.Spans("run job")[0].Parent().Equal(remoteParent) {
				t.Error(settle2.Err())
			}
		})
	}
}

// TestNesting: a task schedules tasks; their spans are below its own.
func TestNesting(t *testing.T) {
	h := postludetest.New(t, postlude.Config{Workers: 1})
	settle(t, h, postlude.Func("outer", func(ctx context.Context) error {
		_, err := postlude.Go(ctx, okTask.With(1))
		h.Logger().InfoContext(ctx, "mine")
		return err
	}))
	outer, inner := h.Spans("run outer")[0], h.Spans("run ok")[0]
	if inner.Parent().SpanID() != outer.SpanContext().SpanID() || inner.SpanContext().TraceID() != outer.SpanContext().TraceID() {
		t.Errorf("parent %v, want %v", inner.Parent(), outer.SpanContext())
	}
	i := slices.IndexFunc(h.Records(""), func(r map[string]any) bool { return r["msg"] == "mine" })
	if r := h.Records("")[i]; r["task.name"] != "outer" || r["span_id"] != outer.SpanContext().SpanID().String() {
		t.Errorf("the task's own line: %v", r)
	}
}

// TestID: unique, a UUID of version 7, and on everything.
func TestID(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	a, b := settle(t, h, okTask.With(1)), settle(t, h, okTask.With(1))
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if a.ID() == b.ID() || !uuid.MatchString(a.ID()) {
		t.Errorf("%s, %s", a.ID(), b.ID())
	}
	if r := h.Records(taskconv.EventSucceeded)[0]; r["task.id"] != a.ID() || attrOf(h.Spans("run ok")[0], "task.id").AsString() != a.ID() {
		t.Errorf("%v", r)
	}
}

// TestNewChecksEverything: all faults of a config in one error.
func TestNewChecksEverything(t *testing.T) {
	_, err := postlude.New(postlude.Config{
		Workers: -1, Queue: -2, Grace: -3, HandlerTimeout: -4, WorkTimeout: -5,
		Defaults: []postlude.Option{postlude.Timeout(-6)},
		Tasks:    []postlude.Definition{okTask, okTask, nil, (*postlude.Task[int])(nil), postlude.Define[int]("x", nil)},
	})
	for _, want := range []string{"Workers", "Queue", "Grace", "HandlerTimeout", "WorkTimeout", "Timeout(-6ns)", "Tasks[1]", "Tasks[2]", "Tasks[3]", "Tasks[4]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell of %s: %v", want, err)
		}
	}
	for _, b := range []postlude.RetryBudget{{Percent: -1}, {Percent: math.NaN()}, {Floor: -1}} {
		if _, err := postlude.New(postlude.Config{RetryBudget: b}); err == nil || !strings.Contains(err.Error(), "Config.RetryBudget") {
			t.Errorf("the error does not tell of %+v: %v", b, err)
		}
	}
}

// TestSnapshot: counts by name, the last failures first, redacted.
func TestSnapshot(t *testing.T) {
	type args struct{ User, Password string }
	h := postludetest.New(t, postlude.Config{})
	login := postlude.Define("login", func(context.Context, args) error { return errBoom })
	settle(t, h, okTask.With(1))
	settle(t, h, login.With(args{"ada", "hunter2"}))
	settle(t, h, postlude.Func("panics", func(context.Context) error { panic("boom") }))
	s := h.Runtime().Snapshot()
	if len(s.Tasks) != 3 || s.Tasks[0].Name != "login" || s.Tasks[0].Failed != 1 || s.Tasks[1].Succeeded != 1 || s.Scheduled != 3 {
		t.Errorf("%+v", s.Tasks)
	}
	if len(s.Failures) != 2 || s.Failures[0].Name != "panics" || s.Failures[0].Stack == "" || s.Failures[1].ErrorType != boomType {
		t.Fatalf("%+v", s.Failures)
	}
	if f := s.Failures[1]; strings.Contains(f.Args, "hunter2") || !strings.Contains(f.Args, "ada") || f.Verdict != "pass" || !f.SpanContext.IsValid() {
		t.Errorf("%+v", f)
	}
}

// TestDebugRecords: scheduled and started are there for who wants them, in order.
func TestDebugRecords(t *testing.T) {
	h := postludetest.New(t, postlude.Config{Logger: slog.New(slog.DiscardHandler)})
	settle(t, h, okTask.With(7))
	var events []string
	for _, r := range h.Records("") {
		events = append(events, r["event"].(string))
		if r["task.args"] != 7.0 || r["task.timing"] != "immediate" {
			t.Errorf("%v", r)
		}
	}
	if want := []string{taskconv.EventScheduled, taskconv.EventStarted, taskconv.EventSucceeded}; !slices.Equal(events, want) {
		t.Errorf("%v", events)
	}
}

// TestExceptionOptIn: who asked for exceptions as logs gets no span events.
func TestExceptionOptIn(t *testing.T) {
	for optIn, events := range map[string]int{"": 1, "logs": 0, "logs/dup": 1, "x, logs": 0} {
		t.Setenv("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", optIn)
		h := postludetest.New(t, postlude.Config{})
		settle(t, h, postlude.Func("job", failing))
		s := h.Spans("run job")[0]
		if len(s.Events()) != events {
			t.Errorf("%q: %d events", optIn, len(s.Events()))
		}
	}
}
