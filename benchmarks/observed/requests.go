package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/postlude/postlude/benchmarks/internal/contend"
)

// requests are where the tasks of a measurement come from.
type requests struct {
	submit func(i int) error
	end    func()
}

// requests returns those of s: a single one that all tasks share, or one each.
func (s spec) requests(ctx context.Context, c contend.Contender, tel *contend.Telemetry) requests {
	if s.Own {
		return ownRequests(ctx, c, tel)
	}
	shared, end := tel.Request(c.Context(ctx))
	return requests{func(i int) error { return c.Submit(shared, receipt(i)) }, end}
}

func receipt(i int) contend.Receipt { return contend.Receipt{Order: "o-17", Cents: i} }

// ownRequests has each task scheduled by a handler, behind the middleware of a server. The
// responses are written to nowhere; what else net/http makes of a request is there.
func ownRequests(ctx context.Context, c contend.Contender, tel *contend.Telemetry) requests {
	var fault error
	next := 0
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault = c.Submit(r.Context(), receipt(next))
		w.WriteHeader(http.StatusNoContent)
	})
	if p, ok := c.(*contend.Postlude); ok {
		handler = p.Middleware(handler)
	}
	handler = otelhttp.NewHandler(handler, "shop", otelhttp.WithTracerProvider(tel.Tracers), otelhttp.WithMeterProvider(tel.Meters))
	conn := context.WithValue(ctx, http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080})
	return requests{func(i int) error {
		next = i
		ctx, cancel := context.WithCancel(conn)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/orders/o-17", http.NoBody)
		for _, h := range [][2]string{
			{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
			{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
			{"Accept-Language", "en-GB,en;q=0.5"},
			{"Cookie", "session=0123456789abcdef0123456789abcdef"},
		} {
			r.Header.Set(h[0], h[1])
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		return fault
	}, func() {}}
}
