// Command durable is a shop whose invoices are written whatever happens to the process.
// Start it, order something, kill it, start it again: see the README beside it.
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
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/otelx/otelsetup"
	postlude "github.com/postlude/postlude/runtime"
)

const hints = `Try these, and watch the records:
  curl -X POST 'ADDR/orders/o-17'                   then kill -9 PID, and start it again
  curl -X POST 'ADDR/orders/o-18?fail=1'            retried once, then a dead letter
  curl 'ADDR/orders/o-17'                           is the invoice there?
  curl 'ADDR/dead-letters'
  curl -X POST 'ADDR/dead-letters/ID/retry'
  curl -X DELETE 'ADDR/dead-letters/ID'
`

type config struct {
	addr     string
	sqlite   string
	postgres string
	role     string
	takes    time.Duration
}

func main() {
	cfg, format := config{}, logging.Auto
	flag.StringVar(&cfg.addr, "addr", "127.0.0.1:8080", "listen here")
	flag.StringVar(&cfg.sqlite, "sqlite", "shop.db", "the database, for one process")
	flag.StringVar(&cfg.postgres, "postgres", "", "URL of a PostgreSQL database in its place, for several processes")
	flag.StringVar(&cfg.role, "role", "both", "web (enqueue only), worker (no HTTP) or both")
	flag.DurationVar(&cfg.takes, "takes", 3*time.Second, "how long an invoice takes")
	flag.TextVar(&format, "log", logging.Auto, "auto, console or json")
	flag.Parse()
	slog.SetDefault(logging.New(os.Stdout, logging.Options{Format: format}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	telemetry, err := otelsetup.Start(ctx, otelsetup.Config{ServiceName: "durable"})
	exitOn(err)
	exitOn(run(ctx, cfg), telemetry.Shutdown(context.WithoutCancel(ctx)))
}

// run runs the shop until ctx ends.
func run(ctx context.Context, cfg config) error {
	if cfg.role != "web" && cfg.role != "worker" && cfg.role != "both" {
		return fmt.Errorf("-role %s is not one of web, worker, both", cfg.role)
	}
	db, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	s := newShop(db, cfg.takes)
	rt, err := postlude.New(postlude.Config{
		Tasks:       []postlude.Definition{s.invoice},
		Engine:      db.engine(),
		EnqueueOnly: cfg.role == "web",
	})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	srv := &http.Server{Addr: cfg.addr, Handler: otelhttp.NewHandler(rt.Middleware(s.routes(rt)), "shop")}
	rt.Attach(srv)
	failed := make(chan error, 1)
	if cfg.role != "worker" {
		fmt.Fprint(os.Stderr, strings.NewReplacer("ADDR", "http://"+cfg.addr, "PID", fmt.Sprint(os.Getpid())).Replace(hints))
		go func() { failed <- srv.ListenAndServe() }()
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	// Each ends before what it needs: requests schedule tasks, both need the database.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	unserved := srv.Shutdown(ending)
	_, unfinished := rt.Shutdown(ending)
	return errors.Join(err, unserved, unfinished, db.Close())
}

func exitOn(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "durable:", err)
		os.Exit(1)
	}
}
