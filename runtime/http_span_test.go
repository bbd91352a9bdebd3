package postlude_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
)

// TestServerSpan: otelhttp names its span and its metrics by the route that a router
// behind the middleware finds, and the tasks' spans are its children, linked to it.
// (otelhttp sets http.route on a span only if the route is found before it.)
func TestServerSpan(t *testing.T) {
	tests := []struct{ pattern, path, span, route string }{
		{"POST /orders/{id}", "/orders/o-17", "POST /orders/{id}", "/orders/{id}"},
		{"/orders/", "/orders/o-17", "POST /orders/", "/orders/"},
		{"GET /other", "/orders/o-17", "POST", ""}, // no route
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			inModes(t, allModes, func(t *testing.T, m serveMode) {
				recorder := tracetest.NewSpanRecorder()
				provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
				metrics := sdkmetric.NewManualReader()
				h, _ := newHTTP(t, postlude.Config{TracerProvider: provider})
				mux := http.NewServeMux()
				mux.HandleFunc(tt.pattern, func(_ http.ResponseWriter, r *http.Request) {
					accepted(t)(postlude.Go(r.Context(), quickJob("now")))
					scheduleBoth(r.Context(), t)
				})
				ts := m.serve(t, h.Runtime(), otelhttp.NewHandler(h.Runtime().Middleware(mux), "shop",
					otelhttp.WithTracerProvider(provider),
					otelhttp.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics)))))
				resp, err := ts.Client().Post(ts.URL+tt.path, "text/plain", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body) // its end comes after otelhttp's return, and the span's end
				resp.Body.Close()
				h.Settle()
				server := serverSpan(t, recorder)
				if route := routeOf(t, metrics); server.Name() != tt.span || route != tt.route {
					t.Errorf("server span %q, http.route %q; want %q, %q", server.Name(), route, tt.span, tt.route)
				}
				if tt.route == "" {
					return
				}
				for _, name := range []string{"run now", "run route", "run sent"} {
					spans := h.Spans(name)
					if len(spans) != 1 {
						t.Errorf("%d spans %q", len(spans), name)
						continue
					}
					checkLinkedChild(t, spans[0], server.SpanContext())
				}
			})
		})
	}
}

func serverSpan(t *testing.T, recorder *tracetest.SpanRecorder) sdktrace.ReadOnlySpan {
	t.Helper()
	for _, s := range recorder.Ended() {
		if s.SpanKind() == trace.SpanKindServer {
			return s
		}
	}
	t.Fatal("no server span")
	return nil
}

// routeOf returns the http.route of the request's duration, "" if it has none.
func routeOf(t *testing.T, reader sdkmetric.Reader) string {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name == "http.server.request.duration" {
			route, _ := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Attributes.Value("http.route")
			return route.AsString()
		}
	}
	t.Fatal("no duration of the request")
	return ""
}

func checkLinkedChild(t *testing.T, s sdktrace.ReadOnlySpan, of trace.SpanContext) {
	t.Helper()
	if !s.Parent().Equal(of) {
		t.Errorf("span %q is a child of %v, want %v", s.Name(), s.Parent().SpanID(), of.SpanID())
	}
	if links := s.Links(); len(links) != 1 || !links[0].SpanContext.Equal(of) {
		t.Errorf("span %q has links %v, want one to %v", s.Name(), links, of.SpanID())
	}
}

// TestUploadIsRemoved: net/http finds the form that the handler parsed, and removes its
// files.
func TestUploadIsRemoved(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		dir := t.TempDir()
		t.Setenv("TMPDIR", dir)
		h, _ := newHTTP(t, postlude.Config{})
		mux := http.NewServeMux()
		mux.HandleFunc("POST /uploads", func(_ http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(1); err != nil {
				t.Error(err)
			}
			if n := files(t, dir); n != 1 {
				t.Errorf("%d files in the handler: the test needs one", n)
			}
			if !m.attached || m.http2 {
				return
			}
			accepted(t)(postlude.AfterResponse(r.Context(), postlude.Func("sent", func(context.Context) error {
				if n := files(t, dir); n != 0 {
					t.Errorf("%d files when the response is sent", n)
				}
				return nil
			})))
		})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(mux))
		body, contentType := upload(t)
		resp, err := ts.Client().Post(ts.URL+"/uploads", contentType, body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h.Settle()
		ts.Close() // waits for net/http, on HTTP/1
		if n := files(t, dir); n != 0 && !m.http2 {
			t.Errorf("%d files were left", n)
		}
	})
}

func upload(t *testing.T) (body io.Reader, contentType string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	file, err := form.CreateFormFile("photo", "photo.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(make([]byte, 4<<10)) // beyond the byte that may stay in memory
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, form.FormDataContentType()
}

func files(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	return len(entries)
}
