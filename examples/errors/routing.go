package main

import (
	"cmp"
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"

	postlude "github.com/postlude/postlude/runtime"
)

// Handling specific error types: a list that is read like a type switch. For and On look
// for a type, Is for a value, wrapped or joined as it may be. Escalate does not end the
// list: it adds to those who are told if nobody decides. So of a permission error both
// chat and tracker hear, and of what nobody knows, the tracker.
//
//	?error=network      five retries, then the tracker
//	?error=validation   chat, and no one else: EscalateTo is a decision
//	?error=permission   chat and tracker
//	?error=unknown      the default: the tracker
func (a *app) smartHandling() http.HandlerFunc {
	smart := postlude.Define("smart_task", a.operate, postlude.OnError(
		postlude.For[*url.Error](postlude.Retry{Max: 5, Base: a.baseDelay}),
		postlude.On(func(context.Context, *postlude.Failure, *ValidationError) postlude.Verdict {
			return postlude.EscalateTo(a.chat)
		}),
		postlude.Is(fs.ErrPermission, postlude.Escalate(a.chat)),
		postlude.Escalate(a.tracker),
	))
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := postlude.Go(r.Context(), smart.With(Operation{Simulate: cmp.Or(r.FormValue("error"), "unknown")}))
		answer(w, "ok", err)
	}
}

// registry is a policy to be shared: a handler like any other, and a value.
func (a *app) registry() postlude.ErrorHandler {
	return postlude.Handlers(
		postlude.For[*url.Error](postlude.Retry{Max: 3, Base: a.baseDelay}),
		postlude.On(func(ctx context.Context, f *postlude.Failure, e *ValidationError) postlude.Verdict {
			slog.ErrorContext(ctx, "somebody asked for nonsense", "service", e.Service)
			return postlude.Handled.Then(func(ctx context.Context) error { return a.tracker.Notify(ctx, f) })
		}),
		a.toTracker(), // the rest, and the network errors that the retries did not cure
	)
}

// Global error handler: several tasks share the registry. To have it for all tasks of the
// runtime, put it into Config.Defaults; here that would change the other endpoints.
//
//	?error=network, validation or unknown   what both tasks run into; without, the first
//	                                        finds no network and the second is invalid
func (a *app) globalHandler() http.HandlerFunc {
	registry := a.registry()
	task1 := postlude.Define("task1", a.operate, postlude.OnError(registry))
	task2 := postlude.Define("task2", a.operate, postlude.OnError(registry))
	return func(w http.ResponseWriter, r *http.Request) {
		_, err1 := postlude.Go(r.Context(), task1.With(Operation{Simulate: cmp.Or(r.FormValue("error"), "network")}))
		_, err2 := postlude.Go(r.Context(), task2.With(Operation{Simulate: cmp.Or(r.FormValue("error"), "validation")}))
		answer(w, "ok", err1, err2)
	}
}
