package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/postlude/postlude/logging"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" { // see process_test.go
		main()
		return
	}
	for _, kv := range os.Environ() { // those of whoever runs the tests
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	goleak.VerifyTestMain(m)
}

// shopping is the whole example, with its telemetry in memory.
type shopping struct {
	*program
	t     *testing.T
	trace *tracetest.SpanRecorder
	log   *output
}

// begin starts it on free ports, and drains it at the end of the test.
func begin(t *testing.T, change func(*config)) *shopping {
	t.Helper()
	s := &shopping{t: t, trace: tracetest.NewSpanRecorder(), log: new(output)}
	cfg := config{
		addr: "127.0.0.1:0", paymentAddr: "127.0.0.1:0", format: logging.JSON, out: s.log,
		traceURL: "http://jaeger/trace/{trace_id}", slow: 50 * time.Millisecond,
		retryBase: time.Millisecond, reviewAfter: 10 * time.Millisecond,
		spans: []sdktrace.SpanProcessor{s.trace},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.program, err = start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.drain(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

// order posts an order, and returns its id and that of its trace.
func (s *shopping) order(query string, form url.Values) (id, trace string) {
	s.t.Helper()
	code, body := s.do(http.MethodPost, "/orders?"+query, strings.NewReader(form.Encode()))
	var answer struct {
		Order string
		Trace string `json:"trace_id"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusAccepted {
		s.t.Fatalf("POST /orders?%s: %d %s", query, code, body)
	}
	return answer.Order, answer.Trace
}

func (s *shopping) do(method, path string, body io.Reader, header ...string) (code int, text string) {
	s.t.Helper()
	at := s.url + path
	if strings.HasPrefix(path, "http:") {
		at = path
	}
	req, err := http.NewRequest(method, at, body)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// settle waits until nothing runs, and the invoices of orders are written, or given up.
func (s *shopping) settle(orders int) {
	s.t.Helper()
	eventually(s.t, "an end for each invoice", func() bool {
		return len(s.find(func(r record) bool { return r.text("task.name") == "write_invoice" && r.final() })) >= orders
	})
	for range 2 { // the shop's last task may call the payment service, which schedules one
		if err := s.rt.Wait(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		if err := s.paymentTasks.Wait(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

type record map[string]any

func (r record) text(key string) string {
	if r[key] == nil {
		return ""
	}
	return fmt.Sprint(r[key])
}

// final tells whether the task ends with the record.
func (r record) final() bool {
	return slices.Contains([]string{"task.succeeded", "task.failed", "task.dropped"}, r.text("event"))
}

// String is the gist of a record: the task's, or what was sent.
func (r record) String() string {
	event, isEvent := strings.CutPrefix(r.text("event"), "task.")
	if !isEvent {
		return r.text("msg")
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", event, r.text("task.name"), r.text("task.attempt"), r.text("error.type")))
}

func (s *shopping) find(want func(record) bool) (found []record) {
	s.t.Helper()
	return slices.DeleteFunc(decode(s.t, s.log.String()), func(r record) bool { return !want(r) })
}

func decode(t *testing.T, lines string) (all []record) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("not JSON: %v\n%s", err, line)
		}
		all = append(all, r)
	}
	return all
}

// eventually waits for what other goroutines and processes do, for 20 s at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// output is a log that can be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
