package otelsetup_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	lognoop "go.opentelemetry.io/otel/log/noop"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/postlude/postlude/otelx/otelsetup"
)

func TestMain(m *testing.M) {
	resetGlobals()
	registerBackEnd()
	goleak.VerifyTestMain(m)
}

// resetGlobals makes OpenTelemetry's globals do nothing. They can't be put back to
// the state before the first test: once delegated, the original ones stay so.
func resetGlobals() {
	otel.SetTracerProvider(tracenoop.NewTracerProvider())
	otel.SetMeterProvider(metricnoop.NewMeterProvider())
	otel.SetLoggerProvider(lognoop.NewLoggerProvider())
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
}

// cleanEnv hides the variables of whoever runs the tests, and takes OpenTelemetry's
// globals back afterwards.
func cleanEnv(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "") // empty counts as unset
		}
	}
	t.Cleanup(resetGlobals)
}

// start starts with a discarded log and no console unless cfg has its own, and shuts
// down with t, in case the test doesn't.
func start(t *testing.T, cfg otelsetup.Config) *otelsetup.SDK {
	t.Helper()
	if cfg.Console == nil {
		cfg.Console = io.Discard
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	sdk, err := otelsetup.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sdk.Shutdown(context.Background()) })
	return sdk
}

// emit makes one span, one measurement and one record, through the globals.
func emit(t *testing.T, name string) {
	t.Helper()
	ctx, span := otel.Tracer("test").Start(t.Context(), name)
	counter, err := otel.Meter("test").Int64Counter("visits")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(ctx, 1)
	var rec log.Record
	rec.SetBody(attribute.StringValue(name))
	otel.Logger("test").Emit(ctx, rec)
	span.End()
}

// syncBuffer is a bytes.Buffer for writers on several goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// receiver is an OTLP/HTTP back end that keeps what it is sent.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	traces  []*tracepb.ExportTraceServiceRequest
	metrics []*metricspb.ExportMetricsServiceRequest
	logs    []*logspb.ExportLogsServiceRequest
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, req *http.Request) {
		keep(t, r, req, &r.traces, &tracepb.ExportTraceServiceRequest{})
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, req *http.Request) {
		keep(t, r, req, &r.metrics, &metricspb.ExportMetricsServiceRequest{})
	})
	mux.HandleFunc("POST /v1/logs", func(w http.ResponseWriter, req *http.Request) {
		keep(t, r, req, &r.logs, &logspb.ExportLogsServiceRequest{})
	})
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func keep[M proto.Message](t *testing.T, r *receiver, req *http.Request, to *[]M, m M) {
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = proto.Unmarshal(body, m)
	}
	if err != nil {
		t.Errorf("%s: %v", req.URL.Path, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*to = append(*to, m)
}

// counts tells how many requests came in for each signal.
func (r *receiver) counts() (traces, metrics, logs int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.traces), len(r.metrics), len(r.logs)
}
