// Command quickstart is a server with one task of each timing. See the README.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/otelx/otelsetup"
	postlude "github.com/postlude/postlude/runtime"
)

type args struct{ Order, Email, Card, Fail string } // shown by telemetry, except for the card
var (
	chargeCard               = postlude.Define("charge_card", work, postlude.Shield(true)) // survives a SIGTERM
	updateStock, sendReceipt = postlude.Define("update_stock", work), postlude.Define("send_receipt", work)
)

func work(ctx context.Context, a args) error {
	slog.InfoContext(ctx, "working on it", "order", a.Order) // with the ids of trace and task
	if a.Fail != "" {
		return fmt.Errorf("mail to %s: the server refused it", a.Email)
	}
	return nil
}

func order(w http.ResponseWriter, r *http.Request) {
	a := args{Order: r.PathValue("id"), Email: "ada@example.com", Card: "4111 1111 1111 1111"}
	_, err1 := postlude.Go(r.Context(), chargeCard.With(a))
	_, err2 := postlude.AfterRoute(r.Context(), updateStock.With(a))
	a.Fail = r.FormValue("fail")
	_, err3 := postlude.AfterResponse(r.Context(), sendReceipt.With(a))
	if err := errors.Join(err1, err2, err3); err != nil { // the queue is full, for instance
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "thank you for order", a.Order)
}

func main() {
	addr, format := flag.String("addr", "127.0.0.1:8080", "listen here"), logging.Auto
	flag.TextVar(&format, "log", logging.Auto, "auto, console or json")
	flag.Parse()
	slog.SetDefault(logging.New(os.Stdout, logging.Options{Format: format}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	telemetry, err1 := otelsetup.Start(ctx, otelsetup.Config{ServiceName: "quickstart"})
	rt, err2 := postlude.New(postlude.Config{})
	exitOn(err1, err2)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", order)
	srv := &http.Server{Addr: *addr, Handler: otelhttp.NewHandler(rt.Middleware(mux), "shop")}
	rt.Attach(srv) // tells the runtime when a response has been sent
	fmt.Fprintf(os.Stderr, "Try this, then with ?fail=1:  curl -X POST 'http://%s/orders/o-17'\n", *addr)
	go func() { exitOn(srv.ListenAndServe()) }()
	<-ctx.Done() // SIGTERM or Ctrl-C: first the requests end, then the tasks, then the telemetry
	stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err1 = srv.Shutdown(ctx)
	_, err2 = rt.Shutdown(ctx)
	exitOn(err1, err2, telemetry.Shutdown(ctx))
}

func exitOn(errs ...error) {
	if err := errors.Join(errs...); err != nil && !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}
