package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

var errBoom = errors.New("boom")

// attrOf returns a span's attribute; the zero Value if it has none of that key.
func attrOf(s sdktrace.ReadOnlySpan, key string) attribute.Value {
	for _, kv := range s.Attributes() {
		if string(kv.Key) == key {
			return kv.Value
		}
	}
	return attribute.Value{}
}

// admitted fails the test if a task was refused: admitted(t)(postlude.Go(...)).
func admitted(t *testing.T) func(postlude.Run, error) postlude.Run {
	return func(r postlude.Run, err error) postlude.Run {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// fate is how one body ends, and what is to be seen of it.
type fate struct {
	name    string
	body    func(ctx context.Context) error
	opts    []postlude.Option
	act     func(postlude.Run)
	outcome string
	errType string
	is      error
	counts  postlude.Counts
}

var boomType = "*errors.errorString"

func fateCases() []fate {
	return []fate{
		{
			name: "ok", body: func(context.Context) error { return nil },
			outcome: "ok", counts: postlude.Counts{Scheduled: 1, Succeeded: 1},
		},
		{
			name: "error", body: func(context.Context) error { return fmt.Errorf("wrapped: %w", errBoom) },
			outcome: "error", errType: boomType, is: errBoom, counts: postlude.Counts{Scheduled: 1, Failed: 1},
		},
		{
			name: "panic", body: func(context.Context) error { panic("boom") },
			outcome: "panic", errType: "panic", counts: postlude.Counts{Scheduled: 1, Failed: 1},
		},
		{
			name: "panic with an error", body: func(context.Context) error { panic(errBoom) },
			outcome: "panic", errType: boomType, is: errBoom, counts: postlude.Counts{Scheduled: 1, Failed: 1},
		},
		{
			name: "panic nil", body: func(context.Context) error { panic(nil) },
			outcome: "panic", errType: "*runtime.PanicNilError", counts: postlude.Counts{Scheduled: 1, Failed: 1},
		},
		{
			name: "Goexit", body: func(context.Context) error { runtime.Goexit(); return nil },
			outcome: "panic", errType: "panic", is: postlude.ErrGoexit, counts: postlude.Counts{Scheduled: 1, Failed: 1},
		},
		{
			name: "timeout", opts: []postlude.Option{postlude.Timeout(time.Second)},
			body:    func(ctx context.Context) error { <-ctx.Done(); return errors.New("query interrupted") },
			outcome: "timeout", errType: "timeout", counts: postlude.Counts{Scheduled: 1, Failed: 1},
		},
		{
			name: "nil after the timeout", opts: []postlude.Option{postlude.Timeout(time.Second)},
			body:    func(ctx context.Context) error { <-ctx.Done(); return nil },
			outcome: "ok", counts: postlude.Counts{Scheduled: 1, Succeeded: 1},
		},
		{
			name:    "a deadline of its own",
			body:    func(context.Context) error { return fmt.Errorf("call: %w", context.DeadlineExceeded) },
			outcome: "timeout", errType: "timeout", is: context.DeadlineExceeded, counts: postlude.Counts{Scheduled: 1, Failed: 1},
		},
		{
			name: "canceled", act: postlude.Run.Cancel,
			body:    func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
			outcome: "canceled", errType: "canceled", is: postlude.ErrCanceled, counts: postlude.Counts{Scheduled: 1, Canceled: 1},
		},
		{
			name: "canceled though shielded", act: postlude.Run.Cancel, opts: []postlude.Option{postlude.Shield(true)},
			body:    func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			outcome: "canceled", errType: "canceled", is: context.Canceled, counts: postlude.Counts{Scheduled: 1, Canceled: 1},
		},
		{
			name: "canceled before it starts", act: postlude.Run.Cancel, opts: []postlude.Option{postlude.Delay(time.Hour)},
			body:    func(context.Context) error { panic("was called") },
			outcome: "canceled", errType: "canceled", is: postlude.ErrCanceled, counts: postlude.Counts{Scheduled: 1, Canceled: 1},
		},
		{
			name: "an error whose methods panic", body: func(context.Context) error { return (*nilError)(nil) },
			outcome: "error", errType: "*postlude_test.nilError", counts: postlude.Counts{Scheduled: 1, Failed: 1},
		},
	}
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// TestFates runs each way in which a task can end, and looks at its span, its record,
// its metrics, its Run and the counts.
func TestFates(t *testing.T) {
	for _, c := range fateCases() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testFate(t, c) })
		})
	}
}

func testFate(t *testing.T, c fate) {
	h := postludetest.New(t, postlude.Config{})
	run := admitted(t)(postlude.Go(h.Context(), postlude.Func("job", c.body), c.opts...))
	synctest.Wait() // the body waits for what ends it
	if c.act != nil {
		c.act(run)
	}
	h.Settle()
	if err := run.Err(); (err == nil) != (c.outcome == "ok") || c.is != nil && !errors.Is(err, c.is) {
		t.Errorf("Run.Err is %v, want %v", err, c.is)
	}
	if got := h.Runtime().Snapshot().Counts; got != c.counts {
		t.Errorf("counts %+v, want %+v", got, c.counts)
	}
	checkSpan(t, h, c)
	checkRecord(t, h, c)
	outcome := attribute.String(taskconv.TaskOutcome, c.outcome)
	for _, metric := range []string{taskconv.MetricAttempts, taskconv.MetricRunDuration} {
		if n := h.Metric(metric, outcome); n != 1 {
			t.Errorf("%s{outcome=%s} is %v", metric, c.outcome, n)
		}
	}
	for _, metric := range []string{taskconv.MetricActive, taskconv.MetricPending} {
		if n := h.Metric(metric); n != 0 {
			t.Errorf("%s is %v at the end", metric, n)
		}
	}
}

func checkSpan(t *testing.T, h *postludetest.Harness, c fate) {
	t.Helper()
	spans := h.Spans("run job")
	if len(spans) != 1 {
		t.Fatalf("%d spans", len(spans))
	}
	s := spans[0]
	status, errType := codes.Unset, ""
	if c.outcome != "ok" {
		status, errType = codes.Error, c.errType
	}
	if s.Status().Code != status || attrOf(s, "error.type").AsString() != errType || attrOf(s, "task.outcome").AsString() != c.outcome {
		t.Errorf("span: %v, %v", s.Status(), s.Attributes())
	}
	if n := len(s.Events()); (n == 1) != (c.outcome != "ok") {
		t.Errorf("span has %d exception events", n)
	}
}

func checkRecord(t *testing.T, h *postludetest.Harness, c fate) {
	t.Helper()
	event, level := taskconv.EventFailed, "ERROR"
	switch c.outcome {
	case "ok":
		event, level = taskconv.EventSucceeded, "INFO"
	case "canceled":
		level = "WARN"
	}
	ends := slices.Concat(h.Records(taskconv.EventSucceeded), h.Records(taskconv.EventFailed), h.Records(taskconv.EventDropped))
	if len(ends) != 1 {
		t.Fatalf("%d final records: %v", len(ends), ends)
	}
	r := ends[0]
	if r["event"] != event || r["level"] != level || r["task.outcome"] != c.outcome || r["task.name"] != "job" {
		t.Errorf("record: %v", r)
	}
	if c.outcome == "ok" {
		return
	}
	if r["error.type"] != c.errType || r["exception.message"] == "" {
		t.Errorf("record: %v", r)
	}
	if stack, _ := r["exception.stacktrace"].(string); (stack != "") != (c.outcome == "panic") {
		t.Errorf("stack: %q", stack)
	}
}

// TestPanicStack: the stack starts where the panic was, not in the recovery.
func TestPanicStack(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	admitted(t)(postlude.Go(h.Context(), postlude.Func("job", func(context.Context) error { panicHere(); return nil })))
	h.Settle()
	stack, _ := h.Records(taskconv.EventFailed)[0]["exception.stacktrace"].(string)
	lines := strings.Split(stack, "\n")
	if len(lines) < 2 || !strings.Contains(lines[1], "panicHere") {
		t.Errorf("the first frame is not the panic's:\n%s", stack)
	}
	if strings.Contains(stack, "worker.go") || len(lines) > 8 {
		t.Errorf("the worker's frames are in it:\n%s", stack)
	}
}

func panicHere() { panic("here") }

// TestOthersGoOn: a task that fails, panics or kills its goroutine costs the others
// nothing, though they share one worker.
func TestOthersGoOn(t *testing.T) {
	h := postludetest.New(t, postlude.Config{Workers: 1})
	bodies := []func(context.Context) error{
		func(context.Context) error { return errBoom },
		func(context.Context) error { panic("boom") },
		func(context.Context) error { runtime.Goexit(); return nil },
		func(context.Context) error { return nil },
	}
	for i := range 100 {
		admitted(t)(postlude.Go(h.Context(), postlude.Func("job", bodies[i%len(bodies)])))
	}
	h.Settle()
	want := postlude.Counts{Scheduled: 100, Succeeded: 25, Failed: 75}
	if s := h.Runtime().Snapshot(); s.Counts != want || s.Workers > 1 {
		t.Errorf("%+v, %d workers", s.Counts, s.Workers)
	}
}

// TestTaskContext: a task's context outlives the one it was scheduled with, keeps its
// values, and ends with the attempt.
func TestTaskContext(t *testing.T) {
	type key struct{}
	h := postludetest.New(t, postlude.Config{})
	ctx, cancel := context.WithCancel(context.WithValue(h.Context(), key{}, "value"))
	var kept context.Context
	gone := make(chan struct{})
	run := admitted(t)(postlude.Go(ctx, postlude.Func("job", func(ctx context.Context) error {
		<-gone
		kept = ctx
		if ctx.Value(key{}) != "value" {
			t.Error("the value is lost")
		}
		return ctx.Err()
	})))
	cancel()
	close(gone)
	<-run.Done()
	if run.Err() != nil {
		t.Errorf("the task was canceled with its request: %v", run.Err())
	}
	if kept.Err() == nil {
		t.Error("the context is alive after its attempt")
	}
}

func stringAttr(key string) attribute.KeyValue { return attribute.String(key, "value") }
