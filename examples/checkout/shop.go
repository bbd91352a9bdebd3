package main

import (
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
)

// shop is the first service: it takes orders.
type shop struct {
	*service
	db       store
	tasks    *tasks
	faults   *faults
	others   *others
	traceURL string
}

//go:embed index.html style.css
var assets embed.FS

var index = template.Must(template.ParseFS(assets, "index.html"))

// routes wraps what customers call, so that it is traced and can schedule tasks. Operators'
// pages are not in it: scraping metrics is nothing to trace.
func (s *shop) routes(rt *postlude.Runtime, page http.Handler) http.Handler {
	traced := http.NewServeMux()
	traced.HandleFunc("POST /orders", s.order)
	traced.HandleFunc("GET /orders/{id}", s.show)
	orders := s.traced(rt.Middleware(http.NewCrossOriginProtection().Handler(traced)))
	mux := http.NewServeMux()
	mux.Handle("/orders", orders)
	mux.Handle("/orders/", orders)
	mux.HandleFunc("GET /{$}", s.front)
	mux.Handle("GET /style.css", http.FileServerFS(assets))
	mux.Handle("/tasks/", http.StripPrefix("/tasks", page))
	mux.Handle("GET /metrics", s.metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		health(w, rt, s.db.ping(ctx))
	})
	return mux
}

// show tells what the database knows of an order.
func (s *shop) show(w http.ResponseWriter, r *http.Request) {
	orders, invoices, err := s.db.count(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case orders == 0:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"order": r.PathValue("id"), "invoices": invoices})
	}
}

// front is the page with the buttons.
func (s *shop) front(w http.ResponseWriter, r *http.Request) {
	shown := struct {
		Order, Trace string
		Chat         []said
	}{Order: r.FormValue("order"), Chat: s.others.messages()}
	if id, err := trace.TraceIDFromHex(r.FormValue("trace")); err == nil {
		shown.Trace = s.traceOf(id.String())
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin") // with "no-referrer" the form's Origin is null, which is taken for another site
	h.Set("Cache-Control", "no-store")
	if err := index.Execute(w, shown); err != nil {
		s.log.DebugContext(r.Context(), "the client has gone", "err", err)
	}
}

// health answers 200, or 503 for what must not be sent any requests.
func health(w http.ResponseWriter, rt *postlude.Runtime, err error) {
	switch {
	case err != nil:
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
	case rt.Snapshot().Closing:
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
	default:
		_, _ = w.Write([]byte("ok\n"))
	}
}
