package otelsetup_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"

	"github.com/postlude/postlude/otelx/otelsetup"
)

func processors(sps ...sdktrace.SpanProcessor) []sdktrace.SpanProcessor { return sps }

// countingProcessor counts; it is not told about spans that nobody samples.
type countingProcessor struct {
	mu              sync.Mutex
	ended, shutdown int
}

func (p *countingProcessor) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (p *countingProcessor) ForceFlush(context.Context) error                { return nil }

func (p *countingProcessor) OnEnd(sdktrace.ReadOnlySpan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended++
}

func (p *countingProcessor) Shutdown(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shutdown++
	return errors.New("processor says goodbye")
}

func TestSpanProcessorsAreRegisteredAndShutDownOnce(t *testing.T) {
	cleanEnv(t)
	p := &countingProcessor{}
	sdk := start(t, otelsetup.Config{SpanProcessors: processors(p)})
	emit(t, "visit")
	first := sdk.Shutdown(t.Context())
	if first == nil || !strings.Contains(first.Error(), "traces: processor says goodbye") {
		t.Errorf("Shutdown = %v", first)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := sdk.Shutdown(t.Context()); err != first {
				t.Errorf("later Shutdown = %v", err)
			}
		})
	}
	wg.Wait()
	if p.ended != 1 || p.shutdown != 1 {
		t.Errorf("ended %d, shut down %d times", p.ended, p.shutdown)
	}
}

// The SDK's own Shutdown returns nil here: the loss is only reported.
func TestEndpointDown(t *testing.T) {
	cleanEnv(t)
	srv := httptest.NewServer(http.NotFoundHandler())
	addr := srv.Listener.Addr().String()
	srv.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addr)
	sdk := start(t, otelsetup.Config{})
	emit(t, "visit")
	err := sdk.Shutdown(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	for _, path := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
		if !strings.Contains(err.Error(), addr+path) {
			t.Errorf("%s is missing in:\n%v", addr+path, err)
		}
	}
}

// A back end that accepts and never answers must hold up neither Shutdown nor, after
// it, a goroutine.
func TestEndpointHangs(t *testing.T) {
	cleanEnv(t)
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	// One span is a batch, so that the export is under way before Shutdown.
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
	t.Setenv("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1")
	ignore := goleak.IgnoreCurrent()
	sdk := start(t, otelsetup.Config{})
	for range 3 {
		emit(t, "visit")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := sdk.Shutdown(ctx)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	// What is left belongs to the server, which still holds the requests, and to
	// connections in the transport's pool.
	goleak.VerifyNone(t, ignore,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"),
		goleak.IgnoreAnyFunction("net/http/httptest.(*Server).goServe.func1"))
}

// A burst that comes faster than the back end takes it fits the queue, unless the
// environment wants a smaller one.
func TestBurst(t *testing.T) {
	const spans = 10_000
	for _, tc := range []struct {
		queue string
		all   bool
	}{{"", true}, {"64", false}} {
		t.Run(fmt.Sprintf("queue %q", tc.queue), func(t *testing.T) {
			cleanEnv(t)
			rec := newReceiver(t)
			ended := make(chan struct{})
			inner := rec.Config.Handler
			rec.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-ended
				inner.ServeHTTP(w, r)
			})
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", rec.URL+"/v1/traces")
			t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", tc.queue)
			sdk := start(t, otelsetup.Config{})
			tracer := sdk.TracerProvider.Tracer("test")
			for range spans {
				_, span := tracer.Start(t.Context(), "run burst")
				span.End()
			}
			close(ended)
			err := sdk.Shutdown(t.Context())
			if (err == nil) != tc.all {
				t.Error(err)
			}
			if got := rec.spans(); (got == spans) != tc.all || got+int(sdk.SpansDropped()) != spans {
				t.Errorf("%d of %d spans arrived, %d were dropped", got, spans, sdk.SpansDropped())
			}
		})
	}
}

// spans counts the spans that came in.
func (r *receiver) spans() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, req := range r.traces {
		for _, rs := range req.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				n += len(ss.Spans)
			}
		}
	}
	return n
}
