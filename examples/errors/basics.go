package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/attribute"

	postlude "github.com/postlude/postlude/runtime"
)

// Default behavior: nobody says what to do about the error. It is logged, its span is an
// error, other tasks go on, and the client has long been told "ok".
//
//	?how=panic   a panic is an error with a stack, no more: the process lives on
func (a *app) fail() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		failing := goesWrong
		if r.FormValue("how") == "panic" {
			failing = panics
		}
		_, err1 := postlude.Go(r.Context(), postlude.Func("failing_task", failing))
		_, err2 := postlude.Go(r.Context(), postlude.Func("other_task", goesWell))
		answer(w, "ok", err1, err2)
	}
}

func goesWrong(context.Context) error { return errors.New("something went wrong") }
func panics(context.Context) error    { panic("something went very wrong") }
func goesWell(context.Context) error  { return nil }

// Risk is what the task of customError is given.
type Risk struct{ Order, Password string }

// Custom error handlers: a function that is asked about each failed attempt, and answers
// with a verdict. Its context is the attempt's, so its lines carry the ids of trace and
// task. The order's id is an attribute: in the name, it would make a metric of each order.
func (a *app) customError() http.HandlerFunc {
	mine := postlude.HandlerFunc("my_error_handler", func(ctx context.Context, f *postlude.Failure) postlude.Verdict {
		slog.WarnContext(ctx, "my handler was asked about "+f.Task().Name, "attempt", f.Attempt, "err", f.Err)
		return postlude.Pass // no opinion: the next handler is asked, if there is one
	})
	risky := postlude.Define("risky_operation", riskyTask, postlude.OnError(mine))
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := postlude.Go(r.Context(), risky.With(Risk{Order: "o-17", Password: "hunter2"}),
			postlude.Attributes(attribute.String("order.id", "o-17")))
		answer(w, "ok", err)
	}
}

func riskyTask(context.Context, Risk) error { return errors.New("oops") }
