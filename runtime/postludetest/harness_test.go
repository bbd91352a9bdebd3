package postludetest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type pager struct{}

func (pager) Notify(context.Context, *postlude.Failure) error { return nil }

// TestSpansOfOwnProvider: a test that decides on sampling sees all attempts, and of the
// other spans those that were recorded; each once, and none that ends after the test.
func TestSpansOfOwnProvider(t *testing.T) {
	for name, c := range map[string]struct {
		sampler sdktrace.Sampler
		want    []string
	}{
		"always": {sdktrace.AlwaysSample(), []string{"POST /orders/{id}", "escalate mail", "run mail"}},
		"never":  {sdktrace.NeverSample(), []string{"run mail"}},
	} {
		tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(c.sampler))
		var h *postludetest.Harness
		t.Run(name, func(t *testing.T) {
			h = postludetest.New(t, postlude.Config{TracerProvider: tp})
			failInRequest(t, h)
			if got := names(h.Spans("")); !slices.Equal(got, c.want) {
				t.Errorf("spans %q, want %q", got, c.want)
			}
		})
		_, late := tp.Tracer("").Start(context.Background(), "late")
		late.End()
		if got := names(h.Spans("")); !slices.Equal(got, c.want) {
			t.Errorf("%s: after the test there are %q", name, got)
		}
	}
}

// failInRequest serves a request whose task fails.
func failInRequest(t *testing.T, h *postludetest.Harness) {
	mail := postlude.Func("mail", func(context.Context) error { return errors.New("no network") })
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(_ http.ResponseWriter, r *http.Request) {
		if _, err := postlude.AfterResponse(r.Context(), mail, postlude.OnError(postlude.Escalate(pager{}))); err != nil {
			t.Error(err)
		}
	})
	h.Serve(mux, httptest.NewRequest(http.MethodPost, "/orders/o-17", nil))
	h.Settle()
}

func names(spans []sdktrace.ReadOnlySpan) (list []string) {
	for _, s := range spans {
		list = append(list, s.Name())
	}
	slices.Sort(list)
	return list
}
