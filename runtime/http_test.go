package postlude_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// TestTimings is the whole promise in one request.
func TestTimings(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		gotResponse := make(chan struct{})
		var routes []postlude.Run
		handler := func(w http.ResponseWriter, r *http.Request) {
			now := accepted(t)(postlude.Go(r.Context(), quickJob("now")))
			awaitClosed(t, "start of the immediate task", now.Started())
			d.note("handler goes on")
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent 1")))
			routes = append(routes, accepted(t)(postlude.AfterRoute(r.Context(), heldJob("route 1", gotResponse))))
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent 2")))
			routes = append(routes, accepted(t)(postlude.AfterRoute(r.Context(), heldJob("route 2", gotResponse))))
			_, _ = io.WriteString(w, "hello")
			d.note("handler returns")
		}
		middleware := h.Runtime().Middleware(http.HandlerFunc(handler))
		ts := m.serve(t, h.Runtime(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			middleware.ServeHTTP(w, r)
			d.note("middleware returned")
			for i, run := range routes {
				if !isClosed(run.Started()) || isClosed(run.Done()) {
					t.Errorf("after-route task %d: started %t, done %t; want a start only",
						i+1, isClosed(run.Started()), isClosed(run.Done()))
				}
			}
		}))
		if status, body := fetch(t, ts); status != http.StatusOK || body != "hello" {
			t.Errorf("response: %d %q", status, body)
		}
		close(gotResponse)
		h.Settle()
		d.expect(t, "run now", "handler goes on", "handler returns", "run route 1", "run route 2",
			"middleware returned", "run sent 1", "run sent 2")
	})
}

// TestTasksScheduleTasks: what tasks of a request may still ask of it.
func TestTasksScheduleTasks(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			early := make(chan postlude.Run, 1)
			accepted(t)(postlude.Go(r.Context(), postlude.Func("now", func(ctx context.Context) error {
				accepted(t)(postlude.AfterRoute(ctx, quickJob("route")))
				early <- accepted(t)(postlude.AfterResponse(ctx, quickJob("early")))
				return nil
			})))
			if run := <-early; isClosed(run.Started()) {
				t.Error("an after-response task that a task scheduled did not wait for the response")
			}
			accepted(t)(postlude.AfterResponse(r.Context(), postlude.Func("sent", func(ctx context.Context) error {
				if _, err := postlude.AfterRoute(ctx, quickJob("never")); !errors.Is(err, postlude.ErrHandlerReturned) {
					t.Errorf("AfterRoute from an after-response task: %v, want ErrHandlerReturned", err)
				}
				late := accepted(t)(postlude.AfterResponse(ctx, quickJob("late")))
				awaitClosed(t, "the response is sent: the task starts while this one runs", late.Started())
				return nil
			})))
		})))
		fetch(t, ts)
		h.Settle()
		d.expect(t, "run now", "run route", "run early", "run sent", "run late")
	})
}

// TestLateAfterResponse: the first to ask for the response does so long after it, when
// its connection is busy with another request.
func TestLateAfterResponse(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		second := make(chan struct{})
		ran := make(chan struct{})
		mux := http.NewServeMux()
		mux.HandleFunc("/first", func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.Go(r.Context(), postlude.Func("now", func(ctx context.Context) error {
				<-second
				late := accepted(t)(postlude.AfterResponse(ctx, quickJob("late")))
				awaitClosed(t, "the late task", late.Done())
				close(ran)
				return nil
			})))
		})
		mux.HandleFunc("/second", func(http.ResponseWriter, *http.Request) {
			close(second)
			awaitClosed(t, "the first request's late task", ran)
		})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(mux))
		for _, path := range []string{"/first", "/second"} {
			resp, err := ts.Client().Get(ts.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		h.Settle()
		d.expect(t, "run now", "run late")
	})
}

func TestQueueFullCanBeAnswered(t *testing.T) {
	schedule := map[string]func(context.Context, postlude.Job, ...postlude.Option) (postlude.Run, error){
		"immediate": postlude.Go, "after route": postlude.AfterRoute, "after response": postlude.AfterResponse,
	}
	for name, schedule := range schedule {
		t.Run(name, func(t *testing.T) {
			h, d := newHTTP(t, postlude.Config{Queue: 1})
			freed := make(chan struct{})
			slow := accepted(t)(postlude.Go(h.Context(), heldJob("slow", freed)))
			awaitClosed(t, "start of the slow task", slow.Started())
			handler := func(w http.ResponseWriter, r *http.Request) {
				run, err := schedule(r.Context(), quickJob("refused"))
				if !errors.Is(err, postlude.ErrQueueFull) || !isClosed(run.Done()) || run.Err() == nil || run.ID() != "" {
					t.Errorf("run %v of error %v, want ErrQueueFull and a Run of no task", run, err)
				}
				http.Error(w, "busy", http.StatusServiceUnavailable)
			}
			ts := serveMode{attached: true}.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(handler)))
			if status, _ := fetch(t, ts); status != http.StatusServiceUnavailable {
				t.Errorf("status %d", status)
			}
			close(freed)
			h.Settle()
			d.expect(t, "run slow")
		})
	}
}

func TestSchedulingInTheWrongPlace(t *testing.T) {
	h, d := newHTTP(t, postlude.Config{})
	tests := []struct {
		name string
		call func() (postlude.Run, error)
		want error
		hint string // the message tells what to do
	}{
		{"Go without a runtime", func() (postlude.Run, error) {
			return postlude.Go(t.Context(), quickJob("lost"))
		}, postlude.ErrNoRuntime, "Runtime.Middleware"},
		{"AfterResponse without a runtime", func() (postlude.Run, error) {
			return postlude.AfterResponse(t.Context(), quickJob("lost"))
		}, postlude.ErrNoRuntime, "Runtime.Context"},
		{"AfterRoute without a request", func() (postlude.Run, error) {
			return postlude.AfterRoute(h.Context(), quickJob("lost"))
		}, postlude.ErrNoRequest, "use Go"},
		{"AfterResponse without a request", func() (postlude.Run, error) {
			return postlude.AfterResponse(h.Context(), quickJob("lost"))
		}, postlude.ErrNoRequest, "use Go"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.call()
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			for _, part := range []string{tt.hint, `"lost"`} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the message lacks %s: %s", part, err)
				}
			}
		})
	}
	d.expect(t)
}

// TestNestedMiddleware: the outermost of a runtime counts.
func TestNestedMiddleware(t *testing.T) {
	h, d := newHTTP(t, postlude.Config{})
	inner := h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route")))
		accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent")))
	}))
	ts := serveMode{attached: true}.serve(t, h.Runtime(), h.Runtime().Middleware(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner.ServeHTTP(w, r)
			d.note("inner returned")
		})))
	fetch(t, ts)
	h.Settle()
	d.expect(t, "inner returned", "run route", "run sent")
}

// TestTwoRuntimes: a server may have two, each with its own tasks.
func TestTwoRuntimes(t *testing.T) {
	h1, d1 := newHTTP(t, postlude.Config{})
	h2, d2 := newHTTP(t, postlude.Config{})
	schedule := func(ctx context.Context, name string) {
		accepted(t)(postlude.AfterRoute(ctx, quickJob(name+" route")))
		accepted(t)(postlude.AfterResponse(ctx, quickJob(name+" sent")))
	}
	inner := h2.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		schedule(r.Context(), "inner")
	}))
	ts := httptest.NewUnstartedServer(h1.Runtime().Middleware(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			schedule(r.Context(), "outer")
			inner.ServeHTTP(w, r)
		})))
	h1.Runtime().Attach(ts.Config)
	h2.Runtime().Attach(ts.Config)
	ts.Start()
	defer ts.Close()
	fetch(t, ts)
	h1.Settle()
	h2.Settle()
	d1.expect(t, "run outer route", "run outer sent")
	d2.expect(t, "run inner route", "run inner sent")
}

// TestResponseWriterIsTheServers: nothing that the server's writer can do is lost.
func TestResponseWriterIsTheServers(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, _ := newHTTP(t, postlude.Config{})
		var outer http.ResponseWriter
		middleware := h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent")))
			if w != outer {
				t.Errorf("the handler got a %T that is not the server's", w)
			}
			if _, ok := w.(http.Flusher); !ok {
				t.Error("no Flusher")
			}
			_, hijacker := w.(http.Hijacker)
			_, readerFrom := w.(io.ReaderFrom)
			if hijacker == m.http2 || readerFrom == m.http2 { // HTTP/2 has neither
				t.Errorf("Hijacker: %t, ReaderFrom: %t", hijacker, readerFrom)
			}
			c, soon := http.NewResponseController(w), time.Now().Add(time.Minute)
			if err := errors.Join(c.SetReadDeadline(soon), c.SetWriteDeadline(soon), c.EnableFullDuplex(), c.Flush()); err != nil {
				t.Error(err)
			}
		}))
		ts := m.serve(t, h.Runtime(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			outer = w
			middleware.ServeHTTP(w, r)
		}))
		fetch(t, ts)
		h.Settle()
	})
}
