package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

// checkTelemetry looks at what all stories have in common.
func (p *program) checkTelemetry() {
	p.t.Helper()
	all := p.log.String()
	trace := p.spans.Ended()[0].SpanContext().TraceID().String()
	for _, r := range p.records() {
		if r.text("trace_id") != trace {
			p.t.Errorf("a record is not of the trace %s: %v", trace, map[string]any(r))
		}
	}
	for _, s := range p.spans.Ended() {
		if strings.HasPrefix(s.Name(), "run ") {
			p.checkAttempt(s)
		}
		for _, value := range attributes(s) {
			all += value + "\n"
		}
	}
	for _, secret := range []string{"4111 1111", "hunter2", "t0k3n"} {
		if strings.Contains(all, secret) {
			p.t.Errorf("%q is in the telemetry:\n%s", secret, all)
		}
	}
}

// checkAttempt: a linked child of the request, and of the attempt before.
func (p *program) checkAttempt(s sdktrace.ReadOnlySpan) {
	p.t.Helper()
	links := 1
	if attributes(s)["task.attempt"] != "1" {
		links = 2
	}
	if len(s.Links()) != links || s.Links()[0].SpanContext.SpanID() != s.Parent().SpanID() {
		p.t.Errorf("%s has the links %v", s.Name(), s.Links())
	}
	failed := attributes(s)["task.outcome"] != "ok"
	if (s.Status().Code == codes.Error) != failed {
		p.t.Errorf("%s has the status %v", s.Name(), s.Status())
	}
}

// TestPage: what the chat is told is enough to begin with.
func TestPage(t *testing.T) {
	p := start(t, config{})
	p.post("/critical")
	page := p.find("chat")[0]
	for _, want := range []string{
		"critical_payment_processing", "processPayment", "*main.StatusError",
		"the payments service answered 500 Internal Server Error", `"ID":12345`, `"Card":"[REDACTED]"`, "shield: true",
		"Attempts: 1", "http://jaeger/trace/" + page.text("trace_id"),
	} {
		if !strings.Contains(page.text("got"), want) {
			t.Errorf("%q is not in the page:\n%s", want, page.text("got"))
		}
	}
	p.post("/critical") // see EscalationWindow in newServer
	if n := len(p.find("chat")); n != 2 {
		t.Errorf("%d pages", n)
	}
}

// TestPageOfRetries: it has the whole history.
func TestPageOfRetries(t *testing.T) {
	p := start(t, config{})
	p.post("/retry?fail=9")
	page := p.find("chat")[0].text("got")
	if n := strings.Count(page, "answered 503"); n != 5 || !strings.Contains(page, "Attempts: 4 of 4") {
		t.Errorf("the error is there %d times:\n%s", n, page)
	}
	delays := ""
	for _, r := range p.find("retrying") {
		delays += r.text("task.retry.delay_ms") + " "
	}
	if delays != "1 2 4 " { // the base is a millisecond here
		t.Errorf("the delays are %s", delays)
	}
	attempts := map[string]trace.SpanContext{}
	for _, s := range p.spans.Ended() {
		if n := attributes(s)["task.attempt"]; strings.HasPrefix(s.Name(), "run ") {
			attempts[n] = s.SpanContext()
			if n != "1" && s.Links()[1].SpanContext.SpanID() != attempts[string(n[0]-1)].SpanID() {
				t.Errorf("attempt %s links %v, not the one before", n, s.Links()[1])
			}
		}
	}
}

// TestRecord: the record alone is what the document's structured handler has to build.
func TestRecord(t *testing.T) {
	p := start(t, config{})
	p.post("/structured-logging?how=panic")
	r := p.find("failed")[0]
	args, _ := r["task.args"].(map[string]any)
	if args["File"] != "stock.csv" || args["Token"] != "[REDACTED]" || r["task.shield"] != true || r["level"] != "ERROR" ||
		r["task.outcome"] != "panic" || !strings.Contains(r.text("exception.stacktrace"), ".importRows(") {
		t.Errorf("the record is %v", map[string]any(r))
	}
	p.post("/custom-error")
	if id := p.find("failed risky_operation")[0].text("order.id"); id != "o-17" {
		t.Errorf("order.id is %q", id)
	}
	for _, timing := range []string{"immediate", "after_route", "after_response"} {
		p.post("/timing-errors")
		if r := p.find("failed " + timing)[0]; r.text("task.timing") != timing {
			t.Errorf("the timing is %q", r.text("task.timing"))
		}
	}
}

// TestBusy: after-route and after-response tasks can't be over before the handler is, so
// with a queue of one the second is refused.
func TestBusy(t *testing.T) {
	p := start(t, config{queue: 1})
	code, reply := p.post("/timing-errors")
	if code != http.StatusServiceUnavailable || !strings.Contains(reply, "queue is full") {
		t.Errorf("the answer is %d %s", code, reply)
	}
	if code, _ := p.post("/unknown"); code != http.StatusNotFound {
		t.Errorf("the answer is %d", code)
	}
}

// TestErrorHandler is how to test a handler: without a server, and without a sleep.
func TestErrorHandler(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	h.Serve(new(app).customError(), httptest.NewRequest("POST", "/custom-error", nil))
	h.Settle()
	failed := h.Records("task.failed")
	if len(failed) != 1 || failed[0]["task.name"] != "risky_operation" || failed[0]["task.verdict"] != "pass" {
		t.Errorf("records: %v", failed)
	}
}

// TestREADME: the Go that it shows is in this folder's files.
func TestREADME(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	source := ""
	for _, name := range names {
		source += flat(readFile(t, name))
	}
	readme := readFile(t, "README.md")
	blocks := strings.Split(readme, "```go\n")[1:]
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(source, flat(block)) {
			t.Errorf("this is in no file:\n%s", block)
		}
	}
	for _, s := range append(patterns, routes...) {
		if route, _, _ := strings.Cut(s.path, "?"); !strings.Contains(readme, "8080"+route) {
			t.Errorf("the README has no curl of %s", route)
		}
	}
	if len(blocks) < 8 {
		t.Errorf("only %d blocks of Go were looked up", len(blocks))
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// flat is code without its indentation.
func flat(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}
