package page

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postlude/postlude/dashboards/taskz"
	postlude "github.com/postlude/postlude/runtime"
)

// site is an admin server with the page at /tasks/. It can be stopped, and come back at
// the same address, as in a deployment.
type site struct {
	t    *testing.T
	rt   *postlude.Runtime
	page *taskz.Handler
	addr string
	wrap func(http.Handler) http.Handler // around the page; nil: nothing

	listener net.Listener
	srv      *http.Server
	served   sync.WaitGroup
}

// newRuntime has traces, which go nowhere.
func newRuntime(t *testing.T, cfg postlude.Config) *postlude.Runtime {
	t.Helper()
	traces := sdktrace.NewTracerProvider()
	cfg.TracerProvider, cfg.MeterProvider = traces, sdkmetric.NewMeterProvider()
	cfg.Logger, cfg.TraceURL = slog.New(slog.DiscardHandler), "http://127.0.0.1:16686/trace/{trace_id}"
	rt, err := postlude.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := rt.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return rt
}

func newSite(t *testing.T, rt *postlude.Runtime, cfg taskz.Config) *site {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &site{t: t, rt: rt, page: taskz.New(rt, cfg), addr: "127.0.0.1:0"}
	s.start()
	t.Cleanup(func() {
		s.page.Close()
		s.stop()
	})
	return s
}

func (s *site) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/tasks/", http.StripPrefix("/tasks", s.page))
	srv := &http.Server{Handler: mux}
	if s.wrap != nil {
		srv.Handler = s.wrap(mux)
	}
	s.listener, s.srv = l, srv
	s.served.Go(func() { _ = srv.Serve(l) }) // it returns when stop closes the listener
}

// stop ends the server at once, with all its connections.
func (s *site) stop() {
	_ = s.listener.Close() // the server may not have begun to serve
	s.served.Wait()
	_ = s.srv.Close()
}

func (s *site) url(hash string) string { return "http://" + s.addr + "/tasks/" + hash }
