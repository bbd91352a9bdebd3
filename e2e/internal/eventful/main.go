// Command eventful makes a runtime write each kind of record that there is, with hostile
// text in them wherever text can be. The records go to standard output, as JSON lines, and
// to OpenTelemetry's logs; spans, metrics and logs are exported as OTEL_* says. It ends by
// itself: with code 0 if all went as it was meant to.
//
// With -valid, what the program logs itself is UTF-8. The bridge to OpenTelemetry's logs
// passes on what is not, and OTLP's encoding refuses the whole batch that it is in. What
// the runtime logs is as hostile as without.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel"

	"github.com/postlude/postlude/e2e/internal/hostile"
	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/otelx/otelsetup"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

func main() {
	valid := flag.Bool("valid", false, "be tame in what is not logged by the runtime")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx, *valid); err != nil {
		fmt.Fprintln(os.Stderr, "eventful:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, valid bool) error {
	lines := logging.NewHandler(os.Stdout, logging.Options{Format: logging.JSON, Level: slog.LevelDebug})
	bridge := logging.Correlate(otelslog.NewHandler("eventful"))
	logger := slog.New(slog.NewMultiHandler(lines, bridge))
	slog.SetDefault(logger)
	telemetry, err := otelsetup.Start(ctx, otelsetup.Config{ServiceName: "eventful"})
	if err != nil {
		return err
	}
	s := newScene()
	if valid {
		s.own = hostile.Shown
	}
	rt, err := postlude.New(postlude.Config{
		Logger: logger, Engine: durabletest.NewEngine(), Tasks: []postlude.Definition{s.invoice},
		TraceURL: "http://jaeger/trace/{trace_id}", EscalationWindow: window, RetryBudget: postlude.RetryBudget{Floor: 1},
	})
	if err != nil {
		return errors.Join(err, telemetry.Shutdown(ctx))
	}
	s.rt = rt
	s.ctx, s.root = otel.Tracer("eventful").Start(rt.Context(ctx), "everything")
	err = s.play()
	s.root.End()
	_, drained := rt.Shutdown(ctx)
	return errors.Join(err, drained, telemetry.Shutdown(ctx))
}
