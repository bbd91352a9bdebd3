// Package receiver is an OTLP back end for tests: gRPC and HTTP on loopback addresses, and
// all that came kept as it was on the wire.
//
// It is made of OpenTelemetry's own protocol definitions, google.golang.org/grpc and
// net/http. The Collector's otlpreceiver would do as well, and none of it would be ours; but
// it costs a minute of CPU to build, and that again with -race, more than all that these
// tests take.
package receiver

import (
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	logs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // what OTEL_EXPORTER_OTLP_COMPRESSION may ask for
)

// Receiver takes what programs export.
type Receiver struct {
	*Store
	HTTP string // URL, for http/protobuf
	GRPC string // URL, for grpc

	ends []func()
}

// Start starts a receiver that ends with the test.
func Start(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{Store: &Store{t: t}}
	t.Cleanup(r.Stop)
	r.HTTP = "http://" + r.serveHTTP(listen(t))
	r.GRPC = "http://" + r.serveGRPC(listen(t))
	return r
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (r *Receiver) serveHTTP(l net.Listener) (addr string) {
	srv := &http.Server{Handler: r.Store.handler(), ReadHeaderTimeout: 10 * time.Second}
	r.run(func() error { return srv.Serve(l) }, func() { _ = srv.Close() }) // cut off, as a crash would
	return l.Addr().String()
}

func (r *Receiver) serveGRPC(l net.Listener) (addr string) {
	srv := grpc.NewServer()
	traces.RegisterTraceServiceServer(srv, traceService{store: r.Store})
	metrics.RegisterMetricsServiceServer(srv, metricsService{store: r.Store})
	logs.RegisterLogsServiceServer(srv, logsService{store: r.Store})
	r.run(func() error { return srv.Serve(l) }, srv.Stop)
	return l.Addr().String()
}

// run serves until stop, which Stop calls. It owns the goroutine.
func (r *Receiver) run(serve func() error, stop func()) {
	ended := make(chan error, 1)
	go func() { ended <- serve() }()
	r.ends = append(r.ends, func() {
		stop()
		err := <-ended
		if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
			r.t.Errorf("receiver: %v", err)
		}
	})
}

// Stop ends the receiver: from here on its addresses refuse connections. Later calls do
// nothing.
func (r *Receiver) Stop() {
	for _, end := range r.ends {
		end()
	}
	r.ends = nil
}
