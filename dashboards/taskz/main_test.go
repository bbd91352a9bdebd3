package taskz

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newPage returns the page of a runtime under test; it is closed at the end.
func newPage(t testing.TB, rt postlude.Config, cfg Config) (*Handler, *postludetest.Harness) {
	t.Helper()
	harness := postludetest.New(t, rt)
	if cfg.Logger == nil {
		cfg.Logger = harness.Logger()
	}
	h := New(harness.Runtime(), cfg)
	t.Cleanup(h.Close)
	return h, harness
}

// request sends a request, with header names and values in turn.
func request(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// get returns the JSON of a path as a T.
func get[T any](t testing.TB, h http.Handler, path string) (v T) {
	t.Helper()
	w := request(h, "GET", path, "Accept", typeJSON)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != typeJSON {
		t.Fatalf("GET %s: %d, %s, %s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("GET %s: %v: %s", path, err, w.Body)
	}
	return v
}

// settle schedules a job and waits until nothing is to be done.
func settle(t testing.TB, h *postludetest.Harness, j postlude.Job, opts ...postlude.Option) postlude.Run {
	t.Helper()
	r, err := postlude.Go(h.Context(), j, opts...)
	if err != nil {
		t.Fatal(err)
	}
	h.Settle()
	return r
}
