package receiver

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"

	logs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

type (
	traceService struct {
		traces.UnimplementedTraceServiceServer
		store *Store
	}
	metricsService struct {
		metrics.UnimplementedMetricsServiceServer
		store *Store
	}
	logsService struct {
		logs.UnimplementedLogsServiceServer
		store *Store
	}
)

// Export takes spans.
func (s traceService) Export(_ context.Context, r *traces.ExportTraceServiceRequest) (*traces.ExportTraceServiceResponse, error) {
	s.store.addTraces("grpc", r)
	return new(traces.ExportTraceServiceResponse), nil
}

// Export takes metrics.
func (s metricsService) Export(_ context.Context, r *metrics.ExportMetricsServiceRequest) (*metrics.ExportMetricsServiceResponse, error) {
	s.store.addMetrics("grpc", r)
	return new(metrics.ExportMetricsServiceResponse), nil
}

// Export takes log records.
func (s logsService) Export(_ context.Context, r *logs.ExportLogsServiceRequest) (*logs.ExportLogsServiceResponse, error) {
	s.store.addLogs("grpc", r)
	return new(logs.ExportLogsServiceResponse), nil
}

// handler serves OTLP/HTTP with binary protobuf.
func (s *Store) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		m := new(traces.ExportTraceServiceRequest)
		if answer(w, r, m, new(traces.ExportTraceServiceResponse)) {
			s.addTraces("http/protobuf", m)
		}
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		m := new(metrics.ExportMetricsServiceRequest)
		if answer(w, r, m, new(metrics.ExportMetricsServiceResponse)) {
			s.addMetrics("http/protobuf", m)
		}
	})
	mux.HandleFunc("POST /v1/logs", func(w http.ResponseWriter, r *http.Request) {
		m := new(logs.ExportLogsServiceRequest)
		if answer(w, r, m, new(logs.ExportLogsServiceResponse)) {
			s.addLogs("http/protobuf", m)
		}
	})
	return mux
}

const contentType = "application/x-protobuf"

// answer reads a request and answers it. It reports whether there was one.
func answer(w http.ResponseWriter, r *http.Request, request, response proto.Message) bool {
	err := read(r, request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest) // which exporters don't try again, but report
		return false
	}
	body, err := proto.Marshal(response)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return false
	}
	w.Header().Set("Content-Type", contentType)
	_, err = w.Write(body)
	return err == nil // else it is sent again
}

func read(r *http.Request, m proto.Message) error {
	if got := r.Header.Get("Content-Type"); got != contentType {
		return fmt.Errorf("the content type is %q, not %q", got, contentType)
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return proto.Unmarshal(data, m)
}
