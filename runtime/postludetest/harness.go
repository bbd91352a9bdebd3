// Package postludetest runs handlers and tasks in tests, and lets the tests look at
// the spans, records and metrics that come of them, without a sleep.
//
//	func TestHandlerIsAsked(t *testing.T) {
//		h := postludetest.New(t, postlude.Config{})
//		task := postlude.Func("test_task", func(context.Context) error { return errors.New("boom") })
//		postlude.Go(h.Context(), task)
//		h.Settle()
//		if n := len(h.Records(taskconv.EventFailed)); n != 1 { ... }
//	}
//
// It works for real and in a testing/synctest bubble, where delays, timeouts and
// retries take no time.
package postludetest

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/otelx"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Harness is a runtime whose telemetry stays in memory.
type Harness struct {
	t      testing.TB
	rt     *postlude.Runtime
	traces trace.TracerProvider
	reader *sdkmetric.ManualReader // nil: the test brought its own MeterProvider
	lines  *lines
	seen   *spans
	engine durable.Engine // nil: none
}

// New makes a runtime of cfg and shuts it down at the end of the test, which cancels the
// tasks that are not shielded: Settle first. A Logger of cfg gets the records too. With a
// TracerProvider of its own the test decides on sampling: Spans then has the attempts
// whatever was decided, and the other spans that are recorded, if the provider is the
// SDK's. With a MeterProvider of its own it reads the metrics itself.
func New(t testing.TB, cfg postlude.Config) *Harness {
	t.Helper()
	h := &Harness{t: t, engine: cfg.Engine, lines: new(lines), seen: &spans{SpanRecorder: tracetest.NewSpanRecorder()}}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otelx.NewTracerProvider(otelx.ProviderConfig{}) // as otelsetup does
	}
	h.traces = cfg.TracerProvider
	h.watch()
	if cfg.MeterProvider == nil {
		h.reader = sdkmetric.NewManualReader()
		cfg.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(h.reader))
	}
	records := logging.NewHandler(h.lines, logging.Options{Format: logging.JSON, Level: slog.LevelDebug})
	if cfg.Logger != nil {
		records = slog.NewMultiHandler(records, cfg.Logger.Handler())
	}
	cfg.Logger = slog.New(records)
	cfg.Defaults = append(slices.Clip(cfg.Defaults), postlude.OnError(postlude.Processor(h.seen)))
	rt, err := postlude.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.rt = rt
	t.Cleanup(func() {
		if _, err := rt.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// watch has the provider show its spans until the test ends: it may be one that several
// tests share. It comes before the runtime, whose last spans end in its shutdown.
func (h *Harness) watch() {
	p, ok := h.traces.(interface {
		RegisterSpanProcessor(sdktrace.SpanProcessor)
		UnregisterSpanProcessor(sdktrace.SpanProcessor)
	})
	if !ok {
		return
	}
	p.RegisterSpanProcessor(others{h.seen})
	h.t.Cleanup(func() { p.UnregisterSpanProcessor(others{h.seen}) })
}

// Runtime returns the runtime under test.
func (h *Harness) Runtime() *postlude.Runtime { return h.rt }

// Context returns a context that can schedule; it carries no span.
func (h *Harness) Context() context.Context { return h.rt.Context(context.Background()) }

// Logger returns a logger for the code under test: its lines are among Records, with
// the ids of the task that wrote them.
func (h *Harness) Logger() *slog.Logger {
	return slog.New(logging.NewHandler(h.lines, logging.Options{Format: logging.JSON, Level: slog.LevelDebug}))
}

// Serve sends r to handler through otelhttp and the runtime's middleware, as a server
// would, and returns the response. When it returns, the response counts as sent. A
// panic of the handler goes through.
func (h *Harness) Serve(handler http.Handler, r *http.Request) *httptest.ResponseRecorder {
	ctx, sent := context.WithCancel(r.Context())
	defer sent() // net/http cancels a request's context when its handler has returned
	w := httptest.NewRecorder()
	otelhttp.NewHandler(h.rt.Middleware(handler), "test", otelhttp.WithTracerProvider(h.traces)).
		ServeHTTP(w, r.WithContext(ctx))
	return w
}

// Settle blocks until nothing runs, waits or retries, not in the queues of Config.Engine
// either. In a synctest bubble the time that tasks wait for passes at once.
func (h *Harness) Settle() {
	h.t.Helper()
	ctx := context.Background()
	for {
		if err := h.rt.Wait(ctx); err != nil {
			h.t.Fatal(err)
		}
		if h.engine == nil {
			return
		}
		before := h.rt.Snapshot().Counts
		if h.queuesEmpty(ctx) && before == h.rt.Snapshot().Counts { // nothing moved from one to the other
			return
		}
		time.Sleep(settleTick) // most engines tell how full they are, not when they are empty
	}
}

const settleTick = 5 * time.Millisecond

func (h *Harness) queuesEmpty(ctx context.Context) bool {
	h.t.Helper()
	if e, ok := h.engine.(interface{ Idle(context.Context) error }); ok { // durabletest's, for one
		if err := e.Idle(ctx); err != nil {
			h.t.Fatal(err)
		}
		return true
	}
	queues, err := h.engine.Queues(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, q := range queues {
		if q.Available+q.Running+q.Scheduled+q.Retrying > 0 {
			return false
		}
	}
	return true
}

// Spans returns the ended spans of a name, in the order of their end; all for "". The
// attempts of tasks are there whether sampled or not.
func (h *Harness) Spans(name string) []sdktrace.ReadOnlySpan {
	ended := h.seen.Ended()
	return slices.DeleteFunc(ended, func(s sdktrace.ReadOnlySpan) bool { return name != "" && s.Name() != name })
}

// Records returns the log records of an event (see taskconv), as a pipeline would
// decode them; all records for "", those of Logger included.
func (h *Harness) Records(event string) []map[string]any {
	h.t.Helper()
	var records []map[string]any
	for line := range bytes.Lines(h.lines.bytes()) {
		var r map[string]any
		if err := json.Unmarshal(line, &r); err != nil {
			h.t.Fatalf("a record is not JSON: %v\n%s", err, line)
		}
		if event == "" || r[taskconv.LogEvent] == event {
			records = append(records, r)
		}
	}
	return records
}

// lines keeps what is written to it.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.buf.Bytes())
}

// spans gets the attempts from the runtime, which has them whatever was sampled.
type spans struct{ *tracetest.SpanRecorder }

// others gets the other spans from the provider.
type others struct{ *spans }

func (o others) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {}

func (o others) OnEnd(s sdktrace.ReadOnlySpan) {
	if !isAttempt(s) {
		o.spans.OnEnd(s)
	}
}

func isAttempt(s sdktrace.ReadOnlySpan) bool {
	return s.SpanKind() == trace.SpanKindConsumer && strings.HasPrefix(s.Name(), taskconv.SpanRun) &&
		s.InstrumentationScope().Name == postlude.ScopeName
}
