package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/postlude/postlude/logging"
	postlude "github.com/postlude/postlude/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program is what main runs, with the telemetry in memory.
type program struct {
	t     *testing.T
	url   string
	rt    *postlude.Runtime
	spans *tracetest.SpanRecorder
	log   *output
}

func start(t *testing.T, cfg config) *program {
	t.Helper()
	p := &program{t: t, spans: tracetest.NewSpanRecorder(), log: new(output)}
	logger, provider, propagator := slog.Default(), otel.GetTracerProvider(), otel.GetTextMapPropagator()
	slog.SetDefault(logging.New(p.log, logging.Options{Format: logging.JSON}))
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p.spans)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	others, err1 := startStubs()
	l, err2 := net.Listen("tcp", "127.0.0.1:0")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	cfg.services, cfg.baseDelay, cfg.traceURL = others.url, time.Millisecond, "http://jaeger/trace/{trace_id}"
	srv, rt, err := newServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	p.url, p.rt = "http://"+l.Addr().String(), rt
	t.Cleanup(func() {
		ctx := context.Background()
		http.DefaultClient.CloseIdleConnections()
		err1 := srv.Shutdown(ctx)
		_, err2 := rt.Shutdown(ctx)
		if err := errors.Join(err1, err2, others.Shutdown(ctx)); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		slog.SetDefault(logger)
		otel.SetTracerProvider(provider)
		otel.SetTextMapPropagator(propagator)
	})
	return p
}

// post sends a request, and waits for what comes of it.
func (p *program) post(path string) (code int, reply string) {
	p.t.Helper()
	resp, err := http.Post(p.url+path, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.rt.Wait(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

type record map[string]any

func (r record) text(key string) string {
	if r[key] == nil {
		return ""
	}
	return fmt.Sprint(r[key])
}

// String is the gist of a record.
func (r record) String() string {
	event, isEvent := strings.CutPrefix(r.text("event"), "task.")
	switch {
	case isEvent:
		s := event + " " + r.text("task.name") + " " + r.text("task.attempt")
		if t := r.text("error.type"); t != "" {
			s += " " + t
		}
		if h := r.text("task.verdict.handler"); h != "" {
			s += ": " + r.text("task.verdict") + " by " + h
		}
		return s
	case r["service"] != nil && r["answer"] != nil:
		first, _, _ := strings.Cut(r.text("got"), "\n")
		return strings.TrimSpace(r.text("service") + " " + r.text("answer") + " " + first)
	}
	return "says " + r.text("task.name") + ": " + r.text("msg")
}

func (p *program) records() (all []record) {
	p.t.Helper()
	for line := range strings.Lines(p.log.String()) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatalf("not JSON: %v\n%s", err, line)
		}
		all = append(all, r)
	}
	return all
}

// find returns the records whose gist begins so.
func (p *program) find(begin string) []record {
	p.t.Helper()
	return slices.DeleteFunc(p.records(), func(r record) bool { return !strings.HasPrefix(r.String(), begin) })
}

// tree draws the spans: a line each, below its parent, in the order of their start, but
// one task's after the other's.
func (p *program) tree() string {
	spans := p.spans.Ended()
	slices.SortFunc(spans, func(a, b sdktrace.ReadOnlySpan) int {
		return cmp.Or(cmp.Compare(runs(a), runs(b)), a.StartTime().Compare(b.StartTime()))
	})
	var b strings.Builder
	var draw func(parent trace.SpanID, indent string)
	draw = func(parent trace.SpanID, indent string) {
		for _, s := range spans {
			if s.Parent().SpanID() == parent {
				fmt.Fprintf(&b, "%s%s\n", indent, gist(s))
				draw(s.SpanContext().SpanID(), indent+"  ")
			}
		}
	}
	draw(trace.SpanID{}, "")
	return b.String()
}

func runs(s sdktrace.ReadOnlySpan) string {
	if strings.HasPrefix(s.Name(), "run ") {
		return s.Name()
	}
	return ""
}

func gist(s sdktrace.ReadOnlySpan) string {
	text := s.Name()
	switch a := attributes(s); s.SpanKind() {
	case trace.SpanKindConsumer:
		text += " " + a["task.attempt"] + " " + cmp.Or(a["task.verdict"], a["task.outcome"])
	case trace.SpanKindClient:
		text += " " + cmp.Or(a["http.response.status_code"], a["error.type"])
	}
	return text
}

func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	m := map[string]string{}
	for _, kv := range s.Attributes() {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
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
