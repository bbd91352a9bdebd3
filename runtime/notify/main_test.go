package notify

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	postlude "github.com/postlude/postlude/runtime"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}), goleak.IgnoreCurrent())
}

// failureOf runs a task that fails, and returns what a notifier is told of it.
func failureOf(t testing.TB, name string, args any, err error) *postlude.Failure {
	t.Helper()
	rt, rterr := postlude.New(postlude.Config{
		Logger: slog.New(slog.DiscardHandler), EscalationWindow: -1, TraceURL: "https://traces.example/{trace_id}?a=1&b=2",
	})
	if rterr != nil {
		t.Fatal(rterr)
	}
	var told *postlude.Failure
	task := postlude.Define(name, func(context.Context, any) error { return err },
		postlude.OnError(postlude.Escalate(notifierFunc(func(_ context.Context, f *postlude.Failure) error {
			told = f
			return nil
		}))))
	run, rterr := postlude.Go(rt.Context(context.Background()), task.With(args))
	if rterr != nil {
		t.Fatal(rterr)
	}
	<-run.Done()
	if _, err := rt.Shutdown(context.Background()); err != nil || told == nil {
		t.Fatal("nobody was told", err)
	}
	return told
}

type notifierFunc func(context.Context, *postlude.Failure) error

func (fn notifierFunc) Notify(ctx context.Context, f *postlude.Failure) error { return fn(ctx, f) }

var errBoom = errors.New("boom")
