// Command errors is a server that shows what can be done when a background task fails:
// one endpoint for each way. See the README beside it, and read the files in this order:
// basics.go, patterns.go, routing.go, telling.go. The rest is what makes a server of them.
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

	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/otelx/otelsetup"
)

const hints = `Try these, and watch the records:
  curl -X POST 'ADDR/fail'                          ?how=panic
  curl -X POST 'ADDR/custom-error'
  curl -X POST 'ADDR/monitored'
  curl -X POST 'ADDR/retry'                         ?fail=9  ?fail=validation
  curl -X POST 'ADDR/email-fallback'                ?primary=ok  ?primary=invalid
  curl -X POST 'ADDR/critical'                      ?payment=ok  ?payment=declined
  curl -X POST 'ADDR/smart-handling?error=network'  validation  permission  unknown
  curl -X POST 'ADDR/global-handler'                ?error=network  ?error=validation  ?error=unknown
  curl -X POST 'ADDR/timing-errors'
  curl -X POST 'ADDR/structured-logging'            ?how=panic
`

func main() {
	addr, format, cfg := flag.String("addr", "127.0.0.1:8080", "listen here"), logging.Auto, config{}
	flag.TextVar(&format, "log", logging.Auto, "auto, console or json")
	flag.DurationVar(&cfg.baseDelay, "base-delay", 100*time.Millisecond, "before the first retry; it doubles with each")
	flag.StringVar(&cfg.traceURL, "trace-url", "http://127.0.0.1:16686/trace/{trace_id}", "where traces can be looked at")
	flag.Parse()
	slog.SetDefault(logging.New(os.Stdout, logging.Options{Format: format}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	telemetry, err1 := otelsetup.Start(ctx, otelsetup.Config{ServiceName: "errors"})
	others, err2 := startStubs()
	exitOn(err1, err2)
	cfg.services = others.url
	srv, rt, err := newServer(cfg)
	exitOn(err)
	srv.Addr = *addr
	fmt.Fprint(os.Stderr, strings.ReplaceAll(hints, "ADDR", "http://"+*addr))
	go func() { exitOn(srv.ListenAndServe()) }()
	<-ctx.Done() // SIGTERM or Ctrl-C
	stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// Each ends before what it needs: requests schedule tasks, tasks make telemetry, and
	// both call the other services.
	err1 = srv.Shutdown(ctx)
	_, err2 = rt.Shutdown(ctx)
	exitOn(err1, err2, telemetry.Shutdown(ctx), others.Shutdown(ctx))
}

func exitOn(errs ...error) {
	if err := errors.Join(errs...); err != nil && !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "errors:", err)
		os.Exit(1)
	}
}
