package postlude_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// This file is about http.TimeoutHandler, which answers while the handler behind it
// still runs.

// deadline is a context whose deadline comes when the test closes the channel.
type deadline struct {
	context.Context
	passed chan struct{}
}

func (d deadline) Done() <-chan struct{} { return d.passed }

func (d deadline) Err() error {
	if isClosed(d.passed) {
		return context.DeadlineExceeded
	}
	return nil
}

// timeoutHandler times next out when the channel is closed.
func timeoutHandler(next http.Handler, passed chan struct{}) http.Handler {
	timed := http.TimeoutHandler(next, time.Hour, "late")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timed.ServeHTTP(w, r.WithContext(deadline{r.Context(), passed}))
	})
}

func TestTimeoutHandlerInTime(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "outside", true: "inside"}[inside], func(t *testing.T) {
			inModes(t, allModes, func(t *testing.T, m serveMode) {
				h, d := newHTTP(t, postlude.Config{})
				handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					scheduleBoth(r.Context(), t)
					_, _ = io.WriteString(w, "hello")
					d.note("handler returns")
				}))
				if inside {
					handler = h.Runtime().Middleware(timeoutHandler(handler, nil))
				} else {
					handler = timeoutHandler(h.Runtime().Middleware(handler), nil)
				}
				ts := m.serve(t, h.Runtime(), handler)
				if status, body := fetch(t, ts); status != http.StatusOK || body != "hello" {
					t.Errorf("response: %d %q", status, body)
				}
				h.Settle()
				d.expect(t, "handler returns", "run route", "run sent")
			})
		})
	}
}

// TestTimeoutHandlerOutside: the response is sent long before the handler returns, which
// is when its tasks start.
func TestTimeoutHandlerOutside(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		passed, answered, returned := make(chan struct{}), make(chan struct{}), make(chan struct{})
		middleware := h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			route, sent := scheduleBoth(r.Context(), t)
			close(passed)
			awaitClosed(t, "the timeout's response", answered)
			if isClosed(route.Started()) || isClosed(sent.Started()) {
				t.Error("the handler still runs, but a task has started")
			}
			if _, err := io.WriteString(w, "hello"); !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("write: %v", err)
			}
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route 2")))
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent 2")))
			d.note("handler returns")
		}))
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(returned)
			middleware.ServeHTTP(w, r)
		})
		ts := m.serve(t, h.Runtime(), timeoutHandler(handler, passed))
		if status, body := fetch(t, ts); status != http.StatusServiceUnavailable || body != "late" {
			t.Errorf("response: %d %q", status, body)
		}
		close(answered)
		awaitClosed(t, "the handler", returned)
		h.Settle()
		d.expect(t, "handler returns", "run route", "run route 2", "run sent", "run sent 2")
	})
}

// TestTimeoutHandlerInside: for the middleware the handler returns with the timeout.
func TestTimeoutHandlerInside(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		passed, answered, returned := make(chan struct{}), make(chan struct{}), make(chan struct{})
		handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			defer close(returned)
			route, sent := scheduleBoth(r.Context(), t)
			close(passed)
			awaitClosed(t, "the timeout's response", answered)
			awaitClosed(t, "the after-route task", route.Started())
			awaitClosed(t, "the after-response task", sent.Started())
			if _, err := postlude.AfterRoute(r.Context(), quickJob("never")); !errors.Is(err, postlude.ErrHandlerReturned) {
				t.Errorf("AfterRoute after the timeout: %v, want ErrHandlerReturned", err)
			}
			late := accepted(t)(postlude.AfterResponse(r.Context(), quickJob("late")))
			awaitClosed(t, "the late after-response task", late.Done())
		})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(timeoutHandler(handler, passed)))
		if status, body := fetch(t, ts); status != http.StatusServiceUnavailable || body != "late" {
			t.Errorf("response: %d %q", status, body)
		}
		close(answered)
		awaitClosed(t, "the handler", returned)
		h.Settle()
		d.expect(t, "run route", "run sent", "run late")
	})
}
