package postlude_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

// This file is about requests that come when all workers are busy: with a bubble's
// clock, as it is about how long the middleware waits.

// sleeps is a task that takes a second.
func sleeps(name string) postlude.Job {
	return postlude.Func(name, func(context.Context) error {
		time.Sleep(time.Second) // in a bubble
		return nil
	})
}

// serveFor serves one request and checks how long that took.
func serveFor(t *testing.T, h *postludetest.Harness, handler http.HandlerFunc, want time.Duration) {
	t.Helper()
	start := time.Now()
	h.Serve(handler, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if took := time.Since(start); took != want {
		t.Errorf("the request took %v, want %v", took, want)
	}
}

func TestRouteWait(t *testing.T) {
	tests := []struct {
		name      string
		routeWait time.Duration
		took      time.Duration
	}{
		{"default", 0, postlude.DefaultRouteWait},
		{"short", 7 * time.Millisecond, 7 * time.Millisecond},
		{"longer than it takes", time.Minute, time.Second},
		{"none", -1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, d := newHTTP(t, postlude.Config{Workers: 1, RouteWait: tt.routeWait})
				accepted(t)(postlude.Go(h.Context(), sleeps("slow")))
				synctest.Wait()
				serveFor(t, h, func(_ http.ResponseWriter, r *http.Request) {
					accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent 1")))
					accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route 1")))
					accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent 2")))
					accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route 2")))
				}, tt.took)
				h.Settle()
				d.expect(t, "run slow", "run route 1", "run route 2", "run sent 1", "run sent 2")
			})
		})
	}
}

// TestRouteWaitIsForAll: that the last after-route task is over, because it was
// canceled, does not mean that the others have started.
func TestRouteWaitIsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, d := newHTTP(t, postlude.Config{Workers: 1})
		serveFor(t, h, func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route 1")))
			last := accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route 2")))
			last.Cancel()
			<-last.Done()
			accepted(t)(postlude.Go(r.Context(), sleeps("slow")))
		}, postlude.DefaultRouteWait)
		h.Settle()
		d.expect(t, "run route 2", "run slow", "run route 1")
	})
}

// TestRouteWaitNotForDelayed: a Delay holds up neither the response nor other tasks.
func TestRouteWaitNotForDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, d := newHTTP(t, postlude.Config{})
		serveFor(t, h, func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent, delayed"), postlude.Delay(time.Minute)))
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent")))
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route, delayed"), postlude.Delay(time.Hour)))
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route")))
		}, 0)
		h.Settle()
		d.expect(t, "run route", "run sent", "run sent, delayed", "run route, delayed")
	})
}

// TestDelayCountsFromScheduling, not from the response.
func TestDelayCountsFromScheduling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newHTTP(t, postlude.Config{})
		start := time.Now()
		started := func(want time.Duration) postlude.Job {
			return postlude.Func("delayed", func(context.Context) error {
				if got := time.Since(start); got != want {
					t.Errorf("started after %v, want %v", got, want)
				}
				return nil
			})
		}
		serveFor(t, h, func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterResponse(r.Context(), started(time.Minute), postlude.Delay(time.Minute)))
			accepted(t)(postlude.AfterResponse(r.Context(), started(3*time.Second), postlude.Delay(time.Second)))
			time.Sleep(3 * time.Second)
		}, 3*time.Second)
		h.Settle()
	})
}
