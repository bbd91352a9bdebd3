package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// The payment service knows two providers. When one is down, the other may work.
const (
	firstProvider  = "/charges"
	secondProvider = "/elsewhere/charges"
)

// charge is what the payment service is asked for.
type charge struct {
	Order, Card string
	Cents       int
}

// booking is the argument of the payment service's own task: no card in it.
type booking struct {
	Order string
	Cents int
}

// payments is the second service: a server of its own, and a runtime of its own, whose
// tasks are in the trace that began in the shop.
type payments struct {
	*service
	rt         *postlude.Runtime
	slow       time.Duration
	retryAfter int // seconds
	book       *postlude.Task[booking]
}

func newPayment(cfg config, s *service) (*payments, error) {
	p := &payments{service: s, slow: cfg.slow, retryAfter: cfg.retryAfter}
	p.book = postlude.Define("book_charge", p.bookCharge, postlude.Shield(true))
	var err error
	p.rt, err = postlude.New(s.runtime(cfg, nil, nil, p.book))
	return p, err
}

func (p *payments) routes() http.Handler {
	traced := http.NewServeMux()
	traced.HandleFunc("POST "+firstProvider, p.charge(false))
	traced.HandleFunc("POST "+secondProvider, p.charge(true))
	mux := http.NewServeMux()
	mux.Handle("/", p.traced(p.rt.Middleware(traced)))
	mux.Handle("GET /metrics", p.metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { health(w, p.rt, nil) })
	return mux
}

func (p *payments) charge(second bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		var c charge
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&c); err != nil {
			http.Error(w, "the body is no charge: "+err.Error(), http.StatusBadRequest)
			return
		}
		takes := 20 * time.Millisecond
		if faultOf(ctx, "payment") == slow {
			takes = p.slow
		}
		if pause(ctx, takes) != nil {
			return // the caller has gone
		}
		switch {
		case faultOf(ctx, "payment") == declined:
			http.Error(w, "the card was declined", http.StatusPaymentRequired)
			return
		case fails(r, "payment", second):
			w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
			http.Error(w, "the provider is down", http.StatusServiceUnavailable)
			return
		}
		if _, err := postlude.AfterResponse(ctx, p.book.With(booking{c.Order, c.Cents})); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}
}

// bookCharge enters a charge into the books.
func (p *payments) bookCharge(ctx context.Context, b booking) error {
	p.log.LogAttrs(ctx, slog.LevelInfo, "charged", slog.String("order", b.Order), slog.Int("cents", b.Cents))
	return pause(ctx, 5*time.Millisecond)
}
