package otlp

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/postlude/postlude/e2e/internal/receiver"
)

// checkOrigin: everything comes from this process, and says so: Jaeger takes spans without
// a host for those of machines whose clocks may differ.
func (r *received) checkOrigin(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"service.name": "errors", "host.name": host, "process.pid": int64(r.PID()),
		"telemetry.sdk.language": "go", "deployment.environment.name": "test",
	}
	check := func(what string, from receiver.Origin) {
		for key, value := range want {
			if from.Resource[key] != value {
				t.Errorf("%s has the resource %s=%#v, not %#v", what, key, from.Resource[key], value)
			}
		}
		if from.Protocol != r.protocol {
			t.Errorf("%s came by %s", what, from.Protocol)
		}
	}
	for _, s := range r.spans {
		check("span "+s.Name, s.Origin)
		if isTask := strings.Contains("run escalate fallback handle", strings.Fields(s.Name)[0]); isTask != (s.Scope == scope) {
			t.Errorf("span %s has the scope %q", s.Name, s.Scope)
		}
	}
	for name, m := range r.Metrics() {
		check("metric "+name, m.Origin)
	}
}

// scope is the instrumentation scope of all that the runtime tells.
const scope = "github.com/postlude/postlude/runtime"

// trees are what becomes of some requests: each line a span, its kind and status, below
// its parent.
const trees = `
POST /critical SERVER UNSET
  run critical_payment_processing CONSUMER ERROR
    POST /payments CLIENT ERROR
    escalate critical_payment_processing INTERNAL UNSET
      HTTP POST CLIENT UNSET
      POST /tracker CLIENT UNSET
POST /email-fallback SERVER UNSET
  run send_email CONSUMER ERROR
    POST /mail/primary CLIENT ERROR
    fallback send_email INTERNAL UNSET
      POST /mail/backup CLIENT UNSET
POST /monitored SERVER UNSET
  run monitored_task CONSUMER ERROR
    POST /operations CLIENT ERROR
    handle monitored_task INTERNAL UNSET
      POST /tracker CLIENT UNSET
POST /retry SERVER UNSET
  run flaky_task CONSUMER ERROR
    POST /warehouse CLIENT ERROR
  run flaky_task CONSUMER ERROR
    POST /warehouse CLIENT ERROR
  run flaky_task CONSUMER UNSET
    POST /warehouse CLIENT UNSET
POST /structured-logging SERVER UNSET
  run important_operation CONSUMER ERROR
    handle important_operation INTERNAL UNSET
      POST /tracker CLIENT UNSET
POST /timing-errors SERVER UNSET
  run after_response CONSUMER ERROR
  run after_route CONSUMER ERROR
    escalate after_route INTERNAL UNSET
      HTTP POST CLIENT UNSET
  run immediate CONSUMER ERROR
`

// checkTrees: parents are intact, and no trace is in pieces.
func (r *received) checkTrees(t *testing.T) {
	children := map[string][]receiver.Span{}
	for _, s := range r.spans {
		children[s.Parent()] = append(children[s.Parent()], s)
		if p, ok := r.spans[s.Parent()]; s.Parent() != "" && (!ok || p.Trace() != s.Trace()) {
			t.Errorf("span %s has a parent that is not there, or in another trace", s.Name)
		}
	}
	var b strings.Builder
	var draw func(parent, indent string)
	draw = func(parent, indent string) {
		siblings := children[parent]
		slices.SortFunc(siblings, inOrder)
		for _, s := range siblings {
			kind := strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_")
			fmt.Fprintf(&b, "%s%s %s %s\n", indent, s.Name, kind, strings.TrimPrefix(s.Status.GetCode().String(), "STATUS_CODE_"))
			draw(s.ID(), indent+"  ")
		}
	}
	draw("", "")
	if got := "\n" + b.String(); got != trees {
		t.Errorf("the traces are%s\nnot%s", got, trees)
	}
}

// inOrder: roots, and the tasks of a request, run side by side: by name.
func inOrder(a, b receiver.Span) int {
	byTime := cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano)
	if a.Parent() == "" || a.Kind == traces.Span_SPAN_KIND_CONSUMER && b.Kind == a.Kind {
		return cmp.Or(cmp.Compare(a.Name, b.Name), byTime)
	}
	return byTime
}

// attributes are those of an attempt, by their types on the wire.
var attributes = map[string]string{
	"task.name": "string", "task.id": "string", "task.timing": "string", "task.shield": "bool", "task.attempt": "int64",
	"task.max_attempts": "int64", "task.queue_delay": "float64", "task.args": "string", "task.outcome": "string",
	"task.verdict": "string", "task.verdict.handler": "string", "task.retry.delay": "float64", "code.function.name": "string",
	"error.type": "string",
}

// always are those that no attempt is without.
var always = []string{"task.name", "task.id", "task.timing", "task.shield", "task.attempt", "task.queue_delay", "task.outcome", "code.function.name"}

// checkAttempts looks at the span of each attempt.
func (r *received) checkAttempts(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range r.spans {
		if !strings.HasPrefix(s.Name, "run ") {
			continue
		}
		r.checkLinks(t, s)
		checkOutcome(t, s)
		for key, value := range s.Attrs {
			seen[key] = true
			if got := fmt.Sprintf("%T", value); got != attributes[key] {
				t.Errorf("%s of %s is %s %v, not %q", key, s.Name, got, value, attributes[key])
			}
		}
		for _, key := range always {
			if s.Attrs[key] == nil {
				t.Errorf("%s has no %s", s.Name, key)
			}
		}
		if s.EndTimeUnixNano < s.StartTimeUnixNano || s.StartTimeUnixNano < r.spans[s.Parent()].StartTimeUnixNano {
			t.Errorf("%s runs from %d to %d", s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
		if n := s.DroppedAttributesCount + s.DroppedEventsCount + s.DroppedLinksCount; n > 0 {
			t.Errorf("%s has lost %d attributes, events or links", s.Name, n)
		}
	}
	for key := range attributes {
		if !seen[key] {
			t.Errorf("no attempt has %s", key)
		}
	}
}

// checkLinks: an attempt is linked to its parent, and to the attempt before.
func (r *received) checkLinks(t *testing.T, s receiver.Span) {
	t.Helper()
	attempt, _ := s.Attrs["task.attempt"].(int64)
	if want := int(min(attempt, 2)); len(s.Links) != want {
		t.Errorf("attempt %d of %s has %d links", attempt, s.Name, len(s.Links))
		return
	}
	if l := s.Links[0]; !bytes.Equal(l.TraceId, s.TraceId) || !bytes.Equal(l.SpanId, s.ParentSpanId) {
		t.Errorf("the link of %s is not to its parent", s.Name)
	}
	if attempt == 1 {
		return
	}
	l := s.Links[1]
	before := r.spans[receiver.Span{Span: &traces.Span{SpanId: l.SpanId}}.ID()]
	if before.Span == nil || before.Attrs["task.id"] != s.Attrs["task.id"] || before.Attrs["task.attempt"] != attempt-1 || !bytes.Equal(l.TraceId, before.TraceId) {
		t.Errorf("the link of attempt %d of %s is to %v", attempt, s.Name, before.Attrs)
	}
}

// checkOutcome: status, events and attributes say the same.
func checkOutcome(t *testing.T, s receiver.Span) {
	t.Helper()
	if s.Attrs["task.outcome"] == "ok" {
		if s.Status.GetCode() != traces.Status_STATUS_CODE_UNSET || len(s.Events) != 0 || s.Attrs["error.type"] != nil {
			t.Errorf("%s succeeded with %v and %d events", s.Name, s.Status, len(s.Events))
		}
		return
	}
	if s.Status.GetCode() != traces.Status_STATUS_CODE_ERROR || len(s.Events) != 1 || s.Attrs["task.verdict"] == nil {
		t.Errorf("%s failed with %v, %d events and the verdict %v", s.Name, s.Status, len(s.Events), s.Attrs["task.verdict"])
		return
	}
	e := s.Events[0]
	said := receiver.Map(e.Attributes)
	stack, _ := said["exception.stacktrace"].(string)
	if e.Name != "exception" || said["exception.message"] != s.Status.Message || s.Status.Message == "" || said["exception.type"] != s.Attrs["error.type"] {
		t.Errorf("%s failed with %v and the event %s %v", s.Name, s.Status, e.Name, said)
	}
	if panicked := s.Attrs["task.outcome"] == "panic"; panicked != strings.Contains(stack, "main.importRows(") {
		t.Errorf("%s has the stack %q", s.Name, stack)
	}
	if e.TimeUnixNano < s.StartTimeUnixNano || e.TimeUnixNano > s.EndTimeUnixNano {
		t.Errorf("the event of %s is at %d, the span from %d to %d", s.Name, e.TimeUnixNano, s.StartTimeUnixNano, s.EndTimeUnixNano)
	}
}
