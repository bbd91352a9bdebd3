package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/postlude/postlude/otelx/otelsetup"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

// newQuietly is New for examples: their output is what they print.
func newQuietly() *postlude.Runtime {
	rt, err := postlude.New(postlude.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	return rt
}

var errBusy = errors.New("busy")

// A handler decides about each failed attempt. This one has a task tried again as long as
// the other side is busy.
func ExampleHandlerFunc() {
	patient := postlude.HandlerFunc("patient", func(ctx context.Context, f *postlude.Failure) postlude.Verdict {
		if errors.Is(f.Err, errBusy) && f.Attempt < 4 {
			return postlude.RetryAfter(100 * time.Millisecond << f.Attempt)
		}
		return postlude.Pass
	})
	rt := newQuietly()
	tries := 0
	run, _ := postlude.Go(rt.Context(context.Background()), postlude.Func("call", func(context.Context) error {
		if tries++; tries < 2 {
			return errBusy
		}
		return nil
	}), postlude.OnError(patient))
	<-run.Done()
	fmt.Println(tries, "tries:", run.Err())
	_, _ = rt.Shutdown(context.Background())
	// Output: 2 tries: <nil>
}

// Requests end first, as they schedule tasks; telemetry last, as tasks write it.
func shutdown(ctx context.Context, srv *http.Server, rt *postlude.Runtime, telemetry *otelsetup.SDK) error {
	err1 := srv.Shutdown(ctx)
	report, err2 := rt.Shutdown(ctx)
	for _, left := range report.Leftovers {
		fmt.Println(left.Name, left.ID, left.State) // dropped, canceled or unfinished
	}
	return errors.Join(err1, err2, telemetry.Shutdown(ctx))
}

// Shield decides what shutdown does with a task.
func ExampleRuntime_Shutdown() {
	rt := newQuietly()
	ctx := rt.Context(context.Background())
	wait := func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
			return nil
		}
	}
	for _, run := range []func() (postlude.Run, error){
		func() (postlude.Run, error) { return postlude.Go(ctx, postlude.Func("mail", wait)) },
		func() (postlude.Run, error) {
			return postlude.Go(ctx, postlude.Func("charge", wait), postlude.Shield(true))
		},
	} {
		r, _ := run()
		<-r.Started()
	}
	report, err := rt.Shutdown(context.Background())
	fmt.Println(report.Succeeded, "succeeded,", report.Canceled, "canceled:", report.Leftovers[0].Name, err)
	// Output: 1 succeeded, 1 canceled: mail <nil>
}

// A context without a runtime can't schedule; the error says what to do.
func ExampleGo_incorrect() {
	_, err := postlude.Go(context.Background(), postlude.Func("lost", func(context.Context) error { return nil }))
	fmt.Println(errors.Is(err, postlude.ErrNoRuntime))
	fmt.Println(err)
	// Output:
	// true
	// postlude: no runtime in this context: wrap the handler with Runtime.Middleware, or make the context with Runtime.Context (task "lost")
}

var shop http.Handler = func() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", order)
	return mux
}()

func TestOrder(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	h.Serve(shop, httptest.NewRequest("POST", "/orders/o-17", nil))
	h.Settle()                                         // nothing runs, waits or retries any more
	if n := len(h.Spans("run send_receipt")); n != 1 { // sampled or not
		t.Errorf("%d attempts", n)
	}
	for _, r := range h.Records("task.failed") { // as a pipeline would decode them
		t.Errorf("%v failed: %v", r["task.name"], r["exception.message"])
	}
}
