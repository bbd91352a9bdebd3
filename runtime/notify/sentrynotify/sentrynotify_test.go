package sentrynotify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

type receipt struct{ Order, Password string }

var errRoute = errors.New("no route to host")

func sendSMTP(context.Context, receipt) error { return fmt.Errorf("sending: %w", errRoute) }

var (
	sendByAPI   = postlude.Define("send_by_api", func(context.Context, receipt) error { return errors.New("quota exceeded") })
	sendReceipt = postlude.Define("send_receipt", sendSMTP)
)

// run schedules job and waits for its end.
func run(t *testing.T, h *postludetest.Harness, job postlude.Job, opts ...postlude.Option) {
	t.Helper()
	if _, err := postlude.Go(h.Context(), job, opts...); err != nil {
		t.Fatal(err)
	}
	h.Settle()
}

func TestEventTellsTheWholeStory(t *testing.T) {
	s := newServer(t, nil)
	n := s.notifier(t, sentry.ClientOptions{Release: "v1.2.3", SampleRate: 1e-9})
	h := postludetest.New(t, postlude.Config{TraceURL: "http://jaeger.example/trace/{trace_id}"})
	run(t, h, sendReceipt.Fallback(sendByAPI).With(receipt{Order: "o-17", Password: password}), postlude.Shield(true),
		postlude.OnError(postlude.Retry{Max: 1, Base: time.Millisecond}, postlude.Escalate(n), postlude.Escalate(n)))

	e, last := s.one(t), h.Spans("run send_receipt")[1].SpanContext()
	if len(e.ID) != 32 || e.Level != "error" || e.Release != "v1.2.3" || e.Transaction != "send_receipt" {
		t.Errorf("event: %+v", e)
	}
	if want := []string{"send_receipt", "*errors.errorString"}; !slices.Equal(e.Fingerprint, want) {
		t.Errorf("fingerprint is %q, want %q", e.Fingerprint, want)
	}
	contains(t, e.Tags, map[string]any{
		taskconv.TaskName: "send_receipt", taskconv.ErrorType: "*errors.errorString", taskconv.TaskOutcome: "error",
		taskconv.TaskAttempt: "2", taskconv.TaskTiming: "immediate",
	})
	if got := e.Contexts.Trace; got.TraceID != last.TraceID().String() || got.SpanID != last.SpanID().String() {
		t.Errorf("trace: %+v, want %v %v", got, last.TraceID(), last.SpanID())
	}
	contains(t, e.Contexts.Task, map[string]any{
		"name": "send_receipt", "function": "github.com/postlude/postlude/runtime/notify/sentrynotify.sendSMTP",
		"timing": "immediate", "shield": true, "attempt": 2.0, "max_attempts": 2.0, "kind": "error",
		"trace_url": "http://jaeger.example/trace/" + last.TraceID().String(),
		"args":      map[string]any{"Order": "o-17", "Password": "[REDACTED]"},
	})
	checkAttempts(t, e.Contexts.Task["attempts"], h)
	checkChain(t, e.Exception)
	if strings.Contains(string(s.bodies[0]), password) {
		t.Errorf("the password was sent: %s", s.bodies[0])
	}
	checkSpans(t, h, last)
}

func contains(t *testing.T, got, want map[string]any) {
	t.Helper()
	for key, v := range want {
		if fmt.Sprint(got[key]) != fmt.Sprint(v) {
			t.Errorf("%s is %v, want %v", key, got[key], v)
		}
	}
}

func checkAttempts(t *testing.T, got any, h *postludetest.Harness) {
	t.Helper()
	list, _ := got.([]any)
	if len(list) != 3 {
		t.Fatalf("attempts: %v", got)
	}
	for i, want := range []map[string]any{
		{"attempt": 1, "error": "sending: no route to host", "error_type": "*errors.errorString", "kind": "error"},
		{"attempt": 2, "error": "sending: no route to host", "span_id": h.Spans("run send_receipt")[1].SpanContext().SpanID()},
		{"attempt": 2, "error": "quota exceeded", "fallback": true},
	} {
		contains(t, list[i].(map[string]any), want)
	}
}

// checkChain: the joined error is last, with the error type as its title, and none has the
// stack of the notifier.
func checkChain(t *testing.T, chain []sentry.Exception) {
	t.Helper()
	var values []string
	for _, x := range chain {
		values = append(values, x.Value)
		if x.Stacktrace != nil {
			t.Errorf("%s has a stack", x.Value)
		}
	}
	want := []string{"quota exceeded", "no route to host", "sending: no route to host", "sending: no route to host\nquota exceeded"}
	if !slices.Equal(values, want) || chain[3].Type != "*errors.errorString" || !*chain[3].Mechanism.Handled {
		t.Errorf("exceptions: %q, %+v", values, chain[3])
	}
}

// checkSpans: the call is a CLIENT span below escalate, below the attempt.
func checkSpans(t *testing.T, h *postludetest.Harness, attempt trace.SpanContext) {
	t.Helper()
	escalate, call := h.Spans("escalate send_receipt"), h.Spans("HTTP POST")
	if len(escalate) != 1 || len(call) != 1 {
		t.Fatalf("%d escalations, %d calls", len(escalate), len(call))
	}
	if escalate[0].Parent().SpanID() != attempt.SpanID() {
		t.Error("escalate is no child of the attempt")
	}
	if call[0].Parent().SpanID() != escalate[0].SpanContext().SpanID() || call[0].SpanKind() != trace.SpanKindClient {
		t.Error("the call is no CLIENT child of escalate")
	}
}

func explode(context.Context, receipt) error { panic("kaboom") }

func TestPanicHasItsStack(t *testing.T) {
	s := newServer(t, nil)
	n := s.notifier(t, sentry.ClientOptions{})
	run(t, postludetest.New(t, postlude.Config{}), postlude.Define("explode", explode).With(receipt{Password: password}),
		postlude.OnError(postlude.Escalate(n)))
	e := s.one(t)
	last := e.Exception[len(e.Exception)-1]
	if last.Type != "panic" || last.Value != "panic: kaboom" || *last.Mechanism.Handled {
		t.Errorf("exception: %+v", last)
	}
	frames := last.Stacktrace.Frames
	top, bottom := frames[len(frames)-1], frames[0]
	if top.Function != "explode" || top.Module != "github.com/postlude/postlude/runtime/notify/sentrynotify" ||
		!strings.HasSuffix(top.AbsPath+top.Filename, "sentrynotify_test.go") || top.Lineno == 0 || !top.InApp {
		t.Errorf("where it panicked: %+v", top)
	}
	if bottom.InApp {
		t.Errorf("where the goroutine began: %+v", bottom)
	}
	if e.Tags[taskconv.TaskOutcome] != "panic" || strings.Contains(string(s.bodies[0]), password) {
		t.Errorf("event: %s", s.bodies[0])
	}
}

// One issue for each task name and error type, whatever the messages say.
func TestGrouping(t *testing.T) {
	s := newServer(t, nil)
	n := s.notifier(t, sentry.ClientOptions{})
	h := postludetest.New(t, postlude.Config{EscalationWindow: -1})
	for _, c := range []struct {
		task string
		err  error
	}{{"a", errors.New("1")}, {"a", errors.New("2")}, {"b", errors.New("1")}, {"a", new(json.SyntaxError)}} {
		run(t, h, postlude.Func(c.task, func(context.Context) error { return c.err }), postlude.OnError(postlude.Escalate(n)))
	}
	var prints []string
	for _, e := range s.events(t) {
		prints = append(prints, strings.Join(e.Fingerprint, " "))
	}
	if want := []string{"a *errors.errorString", "a *errors.errorString", "b *errors.errorString", "a *json.SyntaxError"}; !slices.Equal(prints, want) {
		t.Errorf("fingerprints: %q", prints)
	}
}

// Events are apart from each other, from what the application does with Sentry, and from
// the hub that its context has.
func TestConcurrentSafe(t *testing.T) {
	s, other := newServer(t, nil), newServer(t, nil)
	n := s.notifier(t, sentry.ClientOptions{Tags: map[string]string{"region": "eu"}})
	app := other.notifier(t, sentry.ClientOptions{}).hub
	app.Scope().SetTag("app", "yes")
	app.AddBreadcrumb(&sentry.Breadcrumb{Message: password}, nil)
	ctx := sentry.SetHubOnContext(background, app)
	const many = 50
	done := make(chan error)
	for i := range many {
		go func() {
			f := &postlude.Failure{Err: errRoute, ErrorType: fmt.Sprint(i), SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID{byte(i + 1)}, SpanID: trace.SpanID{byte(i + 1)},
			})}
			done <- n.Notify(ctx, f)
		}()
	}
	for range many {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	seen := map[string]bool{}
	for _, e := range s.events(t) {
		var i byte
		fmt.Sscan(e.Fingerprint[1], &i)
		if want := (trace.TraceID{i + 1}).String(); e.Contexts.Trace.TraceID != want {
			t.Errorf("event %d has the trace id %s, want %s", i, e.Contexts.Trace.TraceID, want)
		}
		if e.Tags["region"] != "eu" || e.Tags["app"] != nil || len(e.Breadcrumbs) > 0 {
			t.Errorf("event %d: %+v", i, e)
		}
		seen[e.ID] = true
	}
	if len(seen) != many || other.count() != 0 || sentry.CurrentHub().Client().Options().Dsn != "" {
		t.Errorf("%d events, %d elsewhere", len(seen), other.count())
	}
	n.route.expected.Range(func(id, _ any) bool {
		t.Errorf("%v is still expected", id)
		return true
	})
}
