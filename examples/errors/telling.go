package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	postlude "github.com/postlude/postlude/runtime"
)

// Error handling with different timings: one handler serves them all, the Failure knows
// the timing. The after-route task has somebody told besides: a call's options add to the
// handlers that there are.
func (a *app) timingErrors() http.HandlerFunc {
	tell := postlude.OnError(postlude.HandlerFunc("tell_timing", func(ctx context.Context, f *postlude.Failure) postlude.Verdict {
		slog.WarnContext(ctx, "this one was to run: "+f.Task().Timing, "err", f.Err)
		return postlude.Pass
	}))
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		_, err1 := postlude.Go(ctx, postlude.Func("immediate", isBroken), tell)
		_, err2 := postlude.AfterRoute(ctx, postlude.Func("after_route", isBroken), tell, postlude.OnError(postlude.Escalate(a.chat)))
		_, err3 := postlude.AfterResponse(ctx, postlude.Func("after_response", isBroken), tell)
		answer(w, "ok", err1, err2, err3)
	}
}

func isBroken(context.Context) error { return errors.New("it is broken") }

// Import is what importRows is given.
type Import struct {
	File  string
	Rows  []string
	Token string // masked by its name
	Panic bool
}

func importRows(_ context.Context, i Import) error {
	if i.Panic {
		return errors.New(i.Rows[len(i.Rows)]) // one too far
	}
	return fmt.Errorf("row %d of %s is no row", len(i.Rows), i.File)
}

// Structured error logging: there is nothing to do. The record of every failure is one
// JSON object with name, timing, shield, arguments, error type, message, the stack of a
// panic, verdict, and the ids of trace and span. The tracker is told besides.
//
//	?how=panic   a bug in place of an error: the record has the stack
func (a *app) structuredLogging() http.HandlerFunc {
	important := postlude.Define("important_operation", importRows, postlude.Shield(true), postlude.OnError(a.toTracker()))
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := postlude.Go(r.Context(), important.With(Import{
			File: "stock.csv", Rows: []string{"hats", "gloves"}, Token: "t0k3n", Panic: r.FormValue("how") == "panic",
		}))
		answer(w, "ok", err)
	}
}
