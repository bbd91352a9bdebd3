package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/notify"
	"github.com/postlude/postlude/runtime/postludetest"
)

const (
	password = "correct-horse-battery"
	secret   = "XxSECRETxX24characters"
	path     = "/services/T0000000/B0000000/" + secret
)

type receipt struct{ Order, Password string }

var (
	errRoute    = errors.New("no route to host")
	sendByAPI   = postlude.Define("send_by_api", func(context.Context, receipt) error { return errors.New("quota exceeded") })
	SendReceipt = postlude.Define("send_receipt", sendSMTP)
)

func sendSMTP(context.Context, receipt) error { return errRoute }

// receiver is a webhook's server that keeps what it got.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	bodies  []string
	headers []http.Header
	paths   []string
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	rec := new(receiver)
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rec.mu.Lock()
		rec.bodies = append(rec.bodies, string(body))
		rec.headers = append(rec.headers, r.Header)
		rec.paths = append(rec.paths, r.RequestURI)
		rec.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(rec.Close)
	return rec
}

// calls is how often it was called.
func (r *receiver) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

func TestWebhookTellsTheWholeStory(t *testing.T) {
	rec := newReceiver(t, nil)
	slack := notify.Webhook{URL: rec.URL + path}
	h := postludetest.New(t, postlude.Config{
		TraceURL: "http://jaeger.example:16686/trace/{trace_id}",
		Defaults: []postlude.Option{postlude.OnError(
			postlude.Retry{Max: 2, Base: time.Millisecond}, postlude.Escalate(slack), postlude.Escalate(slack))},
	})
	ctx := h.Context()
	if member, err := baggage.NewMember("user", "alice"); err == nil {
		bag, _ := baggage.New(member)
		ctx = baggage.ContextWithBaggage(ctx, bag)
	}
	job := SendReceipt.Fallback(sendByAPI).With(receipt{Order: "o-17", Password: password})
	if _, err := postlude.Go(ctx, job, postlude.Shield(true)); err != nil {
		t.Fatal(err)
	}
	h.Settle()

	if n := rec.calls(); n != 1 {
		t.Fatalf("%d calls, want 1", n)
	}
	var message map[string]string
	if err := json.Unmarshal([]byte(rec.bodies[0]), &message); err != nil || len(message) != 1 {
		t.Fatalf("%v in %s", err, rec.bodies[0])
	}
	attempts := h.Spans("run send_receipt")
	traceID := attempts[2].SpanContext().TraceID().String()
	for _, want := range []string{
		"*Task failed:* `send_receipt`\n",
		"Function: `github.com/postlude/postlude/runtime/notify_test.sendSMTP`\n",
		"Error: `*errors.errorString` (error)\n",
		"Message: `no route to host\\nquota exceeded`\n",
		`Arguments: ` + "`" + `{"Order":"o-17","Password":"[REDACTED]"}` + "`\n",
		"Timing: immediate, shield: true\n",
		"Attempts: 3 of 3, ",
		"\n• 1: ", "\n• 2: ", "\n• 3: ", "\n• fallback: ",
		"Trace: http://jaeger.example:16686/trace/" + traceID + "\n",
		"Trace ID: " + traceID + "\n",
	} {
		if !strings.Contains(message["text"], want) {
			t.Errorf("%q is missing in\n%s", want, message["text"])
		}
	}
	if strings.Contains(rec.bodies[0], password) {
		t.Error("the password was posted")
	}
	header := rec.headers[0]
	if rec.paths[0] != path || header.Get("Content-Type") != "application/json" || header.Get("Baggage") != "" {
		t.Errorf("posted to %s with %v", rec.paths[0], header)
	}
	if !strings.Contains(header.Get("Traceparent"), traceID) {
		t.Errorf("traceparent is %q", header.Get("Traceparent"))
	}
	checkSpans(t, h, attempts[2])
	checkSilence(t, h, secret, password)
}

// checkSpans: the call is a CLIENT span below escalate, below the attempt.
func checkSpans(t *testing.T, h *postludetest.Harness, attempt sdktrace.ReadOnlySpan) {
	t.Helper()
	escalate, call := h.Spans("escalate send_receipt"), h.Spans("HTTP POST")
	if len(escalate) != 1 || len(call) != 1 {
		t.Fatalf("%d escalations, %d calls", len(escalate), len(call))
	}
	if escalate[0].Parent().SpanID() != attempt.SpanContext().SpanID() {
		t.Error("escalate is no child of the attempt")
	}
	if call[0].Parent().SpanID() != escalate[0].SpanContext().SpanID() || call[0].SpanKind() != trace.SpanKindClient {
		t.Error("the call is no CLIENT child of escalate")
	}
}

// checkSilence: the secrets are neither in the records nor in the spans.
func checkSilence(t *testing.T, h *postludetest.Harness, secrets ...string) {
	t.Helper()
	var all strings.Builder
	fmt.Fprintln(&all, h.Records(""))
	for _, s := range h.Spans("") {
		fmt.Fprintln(&all, s.Name(), s.Attributes(), s.Events(), s.Status())
	}
	for _, secret := range secrets {
		if i := strings.Index(all.String(), secret); i >= 0 {
			t.Errorf("%s in the telemetry: %s", secret, all.String()[max(0, i-200):i])
		}
	}
}

func TestWebhookBasicAuth(t *testing.T) {
	rec := newReceiver(t, nil)
	for _, client := range []*http.Client{nil, {}} {
		hook := notify.Webhook{URL: strings.Replace(rec.URL, "//", "//bot:"+password+"@", 1), Client: client}
		if err := hook.Notify(context.Background(), &postlude.Failure{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, header := range rec.headers {
		if user, pass, ok := (&http.Request{Header: header}).BasicAuth(); !ok || user != "bot" || pass != password {
			t.Errorf("got %s", user)
		}
	}
}

func TestWebhookCheck(t *testing.T) {
	for _, c := range []struct {
		hook notify.Webhook
		want string // "" is no error
	}{
		{notify.Webhook{}, "URL is empty"},
		{notify.Webhook{URL: "://" + secret}, "not a URL"},
		{notify.Webhook{URL: "http://x/%zz" + secret}, "not a URL"},
		{notify.Webhook{URL: "hooks.slack.com/" + secret}, "neither http nor https"},
		{notify.Webhook{URL: "ftp://x/" + secret}, "neither http nor https"},
		{notify.Webhook{URL: "https:///" + secret}, "has no host"},
		{notify.Webhook{URL: "https://x/" + secret, Timeout: -1}, "Timeout is negative"},
		{notify.Webhook{URL: "https://x/" + secret}, ""},
	} {
		err := c.hook.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("Check of %s: %v, want %q", c.hook.URL, err, c.want)
		}
		if nerr := c.hook.Notify(context.Background(), &postlude.Failure{}); c.want != "" && fmt.Sprint(nerr) != fmt.Sprint(err) {
			t.Errorf("Notify of %s: %v, want %v", c.hook.URL, nerr, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("a secret is in %v", err)
		}
	}
}

func TestWebhookPrintsItsHostOnly(t *testing.T) {
	hook := notify.Webhook{URL: "https://bot:" + password + "@hooks.example" + path}
	var buf strings.Builder
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("x", "by value", hook, "by pointer", &hook)
	got := fmt.Sprintf("%v %+v %#v %s %v ", hook, hook, hook, hook, &hook) + buf.String()
	if strings.Contains(got, secret) || strings.Contains(got, password) || strings.Count(got, "webhook at hooks.example") != 7 {
		t.Errorf("got %s", got)
	}
}
