package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const openMetrics = "application/openmetrics-text; version=1.0.0"

// seriesOf are the metrics that an order of each fate leaves with the shop.
var seriesOf = []string{
	`task_run_duration_seconds_bucket{`, `task_queue_duration_seconds_count{`, `task_attempts_total{`,
	`task_active{`, `task_pending{`, `task_retries_total{`, `task_verdicts_total{`, `task_escalations_total{`,
	`task_dropped_total{`, `task_enqueued_total{`, `task_queue_jobs{`,
	`http_server_request_duration_seconds_bucket{`, `http_client_request_duration_seconds_bucket{`,
	`go_goroutines `, `target_info{`,
}

// TestMetrics: both services show theirs, under their names, with exemplars of traces.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	_, id := s.order("payment=flaky&mail=out&invoice=fail", nil)
	s.settle(1)
	code, shop := s.do(http.MethodGet, "/metrics", nil, "Accept", openMetrics)
	if code != http.StatusOK {
		t.Fatalf("/metrics: %d", code)
	}
	for _, series := range seriesOf {
		if !strings.Contains(shop, "\n"+series) {
			t.Errorf("the shop has no %s", series)
		}
	}
	if !regexp.MustCompile(`# \{[^}]*trace_id="` + id + `"`).MatchString(shop) {
		t.Error("no exemplar leads to the trace")
	}
	_, pay := s.do(http.MethodGet, s.paymentURL+"/metrics", nil, "Accept", openMetrics)
	for text, name := range map[string]string{shop: "shop", pay: "payment"} {
		if !strings.Contains(text, fmt.Sprintf("service_name=%q", name)) {
			t.Errorf("target_info does not name %s", name)
		}
	}
	if strings.Contains(shop, "book_charge") || !strings.Contains(pay, `task_name="book_charge"`) {
		t.Error("a service's tasks are not with its own metrics")
	}
	if regexp.MustCompile(`task_name="[^"]*o-`).MatchString(shop) {
		t.Error("a task's name has an order's id")
	}
}

// TestOperatorsAreNotTraced: of what Prometheus and probes ask for, there are no spans.
func TestOperatorsAreNotTraced(t *testing.T) {
	s := begin(t, nil)
	for _, path := range []string{"/", "/style.css", "/tasks/", "/metrics", "/healthz", s.paymentURL + "/metrics", s.paymentURL + "/healthz"} {
		if code, body := s.do(http.MethodGet, path, nil); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, span := range s.trace.Ended() {
		t.Errorf("there is a span %s", span.Name())
	}
}

// TestCardIsSecret: whatever becomes of an order, its card is nowhere but in the call to
// the payment service.
func TestCardIsSecret(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := begin(t, func(c *config) {
		c.sqlite, c.logFile = filepath.Join(folder, "shop.db"), filepath.Join(folder, "shop.jsonl")
	})
	form := url.Values{"card": {"5555 4444 3333 1111"}}
	for _, query := range []string{"", "payment=out", "payment=declined", "payment=down", "mail=out&stock=panic&invoice=fail"} {
		s.order(query, form)
	}
	s.settle(5)
	var spans strings.Builder
	for _, span := range s.trace.Ended() {
		fmt.Fprintln(&spans, span.Attributes(), span.Events(), span.Status(), span.Links())
	}
	_, front := s.do(http.MethodGet, "/", nil)
	_, page := s.do(http.MethodGet, "/tasks/", nil, "Accept", "application/json")
	_, metrics := s.do(http.MethodGet, "/metrics", nil, "Accept", openMetrics)
	places := map[string]string{
		"records": s.log.String(), "spans": spans.String(), "chat": front, "live page": page, "metrics": metrics,
	}
	for _, name := range []string{"shop.db", "shop.db-wal", "shop.jsonl"} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		places[name] = string(content)
	}
	for place, text := range places {
		if strings.Contains(text, "5555 4444 3333 1111") || strings.Contains(text, "5555+4444") || text == "" {
			t.Errorf("%s: %d bytes, and the card is in them, if there are any", place, len(text))
		}
	}
	for _, place := range []string{"records", "spans", "chat"} { // they do show the arguments
		if !strings.Contains(places[place], "[REDACTED]") {
			t.Errorf("%s don't show that the card is masked", place)
		}
	}
}
