package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
)

// shop takes orders, and writes an invoice for each.
type shop struct {
	db      store
	takes   time.Duration
	invoice *postlude.Task[invoice]
}

// invoice is what the task needs. It is stored as JSON, and shown by telemetry without
// the card.
type invoice struct {
	Order string `json:"order"`
	Card  string `json:"card"`
	Fail  bool   `json:"fail,omitempty"`
}

func newShop(db store, takes time.Duration) *shop {
	s := &shop{db: db, takes: takes}
	s.invoice = postlude.Define("write_invoice", s.writeInvoice,
		postlude.Durable(), // this is all that makes the difference
		postlude.Timeout(time.Minute),
		postlude.OnError(postlude.Retry{Max: 1, Base: 2 * time.Second}))
	return s
}

// writeInvoice may run more than once for an order, as a process may die after it and
// before the queue has heard of it. The id of the task is the same each time, and lets
// the database do it once.
func (s *shop) writeInvoice(ctx context.Context, in invoice) error {
	task, _ := postlude.TaskOf(ctx)
	select {
	case <-time.After(s.takes):
	case <-ctx.Done(): // a shutdown: the task goes back to its queue
		return context.Cause(ctx)
	}
	if in.Fail {
		return fmt.Errorf("order %s: the printer is out of paper", in.Order)
	}
	first, err := s.db.writeInvoice(ctx, task.ID, in.Order)
	if err == nil && !first {
		slog.InfoContext(ctx, "the invoice was there already", "order", in.Order)
	}
	return err
}

func (s *shop) routes(rt *postlude.Runtime) *http.ServeMux {
	mux, dead := http.NewServeMux(), rt.DeadLetters()
	mux.HandleFunc("POST /orders/{id}", s.order)
	mux.HandleFunc("GET /orders/{id}", s.show)
	mux.HandleFunc("GET /dead-letters", func(w http.ResponseWriter, r *http.Request) {
		list, err := dead.List(r.Context(), durable.Query{})
		answer(w, list, err)
	})
	mux.HandleFunc("POST /dead-letters/{id}/retry", func(w http.ResponseWriter, r *http.Request) {
		answer(w, "back in the queue", dead.Retry(r.Context(), r.PathValue("id")))
	})
	mux.HandleFunc("DELETE /dead-letters/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, "gone", dead.Discard(r.Context(), r.PathValue("id")))
	})
	return mux
}

// order stores the order and enqueues its invoice in one transaction: both are there, or
// neither is.
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	in := invoice{Order: r.PathValue("id"), Card: "4111 1111 1111 1111", Fail: r.FormValue("fail") != ""}
	err := s.db.placeOrder(r.Context(), in.Order, func(ctx context.Context) error { // ctx has the transaction
		_, err := postlude.Go(ctx, s.invoice.With(in))
		return err
	})
	answer(w, "thank you for order "+in.Order, err)
}

func (s *shop) show(w http.ResponseWriter, r *http.Request) {
	invoices, err := s.db.invoices(r.Context(), r.PathValue("id"))
	answer(w, map[string]any{"order": r.PathValue("id"), "invoices": invoices}, err)
}

func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.Is(err, durable.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if err != nil {
		v = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(v) // a client that has gone
}
