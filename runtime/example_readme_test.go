package postlude_test

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	postlude "github.com/postlude/postlude/runtime"
)

// The README shows this, to the letter (TestREADME).

type Receipt struct {
	Order, To string
	Password  string // never shown: masked by its name, at any depth
}

var (
	SendReceipt = postlude.Define("send_receipt", sendSMTP, postlude.Timeout(10*time.Second))
	Charge      = postlude.Define("charge", chargeCard, postlude.Shield(true)) // survives a shutdown
)

func order(w http.ResponseWriter, r *http.Request) {
	ctx, id := r.Context(), r.PathValue("id")
	_, err := postlude.AfterResponse(ctx, SendReceipt.With(Receipt{Order: id, To: "ada@example.com"}))
	if err != nil { // the queue is full: there is still time to say so
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	postlude.Go(ctx, Charge.With(id))
	postlude.AfterRoute(ctx, postlude.Func("count_order", func(context.Context) error { return nil }))
}

func server() (*http.Server, *postlude.Runtime, error) {
	rt, err := postlude.New(postlude.Config{})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", order)
	srv := &http.Server{Handler: otelhttp.NewHandler(rt.Middleware(mux), "shop")}
	rt.Attach(srv) // after-response tasks wait for the response's last byte
	return srv, rt, nil
}

func sendSMTP(context.Context, Receipt) error  { return nil }
func chargeCard(context.Context, string) error { return nil }
