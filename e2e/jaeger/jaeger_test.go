package jaeger

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postlude/postlude/e2e/internal/need"
	"github.com/postlude/postlude/e2e/internal/program"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(program.Clean)) }

// TestJaeger is for a Jaeger that runs somewhere:
//
//	POSTLUDE_JAEGER_OTLP=http://127.0.0.1:4318 POSTLUDE_JAEGER_QUERY=http://127.0.0.1:16686 go test ./jaeger
//
// The first is its address for OTLP over HTTP.
func TestJaeger(t *testing.T) {
	at := need.Service(t, "POSTLUDE_JAEGER_OTLP", "POSTLUDE_JAEGER_QUERY")
	exercise(t, at[0], at[1])
}

// TestStandIn is the same, with an API of ours: it proves what is asked and checked.
func TestStandIn(t *testing.T) {
	s := startStandIn(t)
	exercise(t, s.HTTP, s.query)
}

// stories are requests of examples/errors, and how many attempts a task of theirs makes.
var stories = []struct {
	request, task string
	attempts      int
}{
	{"POST /critical", "critical_payment_processing", 1},
	{"POST /retry", "flaky_task", 3},
	{"POST /timing-errors", "after_response", 1},
	{"POST /email-fallback", "send_email", 1},
}

// exercise has a program export to a Jaeger, and searches it for the program's tasks.
func exercise(t *testing.T, otlp, query string) {
	t.Helper()
	service := "postlude-e2e-" + strings.ToLower(rand.Text()) // a Jaeger may have traces of earlier runs
	s := program.Serve(t, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT="+otlp,
		"OTEL_METRICS_EXPORTER=none", "OTEL_SERVICE_NAME="+service)
	for _, story := range stories {
		_, path, _ := strings.Cut(story.request, " ")
		s.Post(path)
	}
	s.Until("task.failed", 4)
	s.Until("task.succeeded", 2)
	if code := s.Stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	c := Client{URL: query, HTTP: &http.Client{Timeout: program.Patience, Transport: transport}}
	for _, story := range stories {
		found := eventually(t, c, service, map[string]string{"task.name": story.task})
		if err := Check(found, story.request, story.task, story.attempts); err != nil {
			t.Error(err)
		}
	}
	if none, err := c.Search(t.Context(), service, map[string]string{"task.name": "no_such_task"}); err != nil || len(none) > 0 {
		t.Errorf("a task that there is not: %d traces, %v", len(none), err)
	}
}

// eventually returns the one trace that has such a span. Jaeger shows it milliseconds
// after it came.
func eventually(t *testing.T, c Client, service string, tags map[string]string) Trace {
	t.Helper()
	timeout := time.After(program.Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		traces, err := c.Search(t.Context(), service, tags)
		if err != nil {
			t.Fatal(err)
		}
		switch len(traces) {
		case 0:
		case 1:
			return traces[0]
		default:
			t.Fatalf("%d traces of %s have %v", len(traces), service, tags)
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("no trace of %s has %v", service, tags)
		}
	}
}
