package postlude_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"

	postlude "github.com/postlude/postlude/runtime"
)

// This file is about requests that don't end as they should: the tasks run all the same.

// scheduleBoth schedules a task of each gated timing, in the order opposite to that of
// their starts.
func scheduleBoth(ctx context.Context, t *testing.T) (route, sent postlude.Run) {
	sent = accepted(t)(postlude.AfterResponse(ctx, quickJob("sent")))
	return accepted(t)(postlude.AfterRoute(ctx, quickJob("route"))), sent
}

func TestHijacked(t *testing.T) {
	const raw = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
	for _, early := range []bool{true, false} {
		name := map[bool]string{true: "scheduled before, ", false: "scheduled after, "}[early]
		for _, m := range http1Modes {
			t.Run(name+m.name, func(t *testing.T) {
				h, d := newHTTP(t, postlude.Config{})
				ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if early {
						scheduleBoth(r.Context(), t)
					}
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					if !early {
						scheduleBoth(r.Context(), t)
					}
					_, _ = io.WriteString(conn, raw)
					d.note("handler returns")
				})))
				if status, body := fetch(t, ts); status != http.StatusOK || body != "hello" {
					t.Errorf("response: %d %q", status, body)
				}
				h.Settle()
				d.expect(t, "handler returns", "run route", "run sent")
			})
		}
	}
}

// TestHijackedStaysOpen: the tasks don't wait for the end of a WebSocket, say, that
// outlives its handler.
func TestHijackedStaysOpen(t *testing.T) {
	inModes(t, http1Modes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		conns := make(chan io.Closer, 1)
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			scheduleBoth(r.Context(), t)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			conns <- conn
		})))
		resp, err := ts.Client().Get(ts.URL)
		if err != nil {
			t.Fatal(err)
		}
		h.Settle()
		d.expect(t, "run route", "run sent")
		_ = errors.Join((<-conns).Close(), resp.Body.Close())
	})
}

func TestClientGone(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		entered := make(chan struct{})
		alive := func(name string) postlude.Job {
			return postlude.Func(name, func(ctx context.Context) error { return ctx.Err() })
		}
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			now := accepted(t)(postlude.Go(r.Context(), postlude.Func("now", func(ctx context.Context) error {
				<-r.Context().Done()
				return ctx.Err()
			})))
			sent := accepted(t)(postlude.AfterResponse(r.Context(), alive("sent 1")))
			accepted(t)(postlude.AfterRoute(r.Context(), alive("route 1")))
			awaitClosed(t, "the immediate task", now.Started())
			close(entered)
			awaitClosed(t, "the client's leaving", r.Context().Done())
			accepted(t)(postlude.AfterRoute(r.Context(), alive("route 2")))
			accepted(t)(postlude.AfterResponse(r.Context(), alive("sent 2")))
			if isClosed(sent.Started()) {
				t.Error("the handler goes on, but an after-response task has started")
			}
			_, _ = io.WriteString(w, "hello?")
			d.note("handler returns")
		})))
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			<-entered
			leave()
		}()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, ts.URL, http.NoBody)
		if resp, err := ts.Client().Do(req); err == nil {
			resp.Body.Close()
			t.Error("the client got a response")
		}
		ts.Close() // waits for the handler
		h.Settle()
		d.expect(t, "run now", "handler returns", "run route 1", "run route 2", "run sent 1", "run sent 2")
		if c := h.Runtime().Snapshot().Counts; c.Succeeded != 5 {
			t.Errorf("a task was canceled with the request: %+v", c)
		}
	})
}

// TestHandlerDies: a panic passes the middleware, and net/http cuts the response off.
func TestHandlerDies(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name string
		die  func()
		want any // what passes the middleware
	}{
		{"panic", func() { panic(boom) }, boom},
		{"ErrAbortHandler", func() { panic(http.ErrAbortHandler) }, http.ErrAbortHandler},
		{"Goexit", runtime.Goexit, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inModes(t, allModes, func(t *testing.T, m serveMode) {
				h, d := newHTTP(t, postlude.Config{})
				passed := make(chan any, 1)
				middleware := h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					scheduleBoth(r.Context(), t)
					_, _ = io.WriteString(w, "hel")
					tt.die()
				}))
				ts := m.serve(t, h.Runtime(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					returned := false
					defer func() {
						v := recover()
						if returned {
							v = "the middleware returned"
						}
						passed <- v
						if v != nil {
							panic(v)
						}
					}()
					middleware.ServeHTTP(w, r)
					returned = true
				}))
				resp, err := ts.Client().Get(ts.URL)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if err == nil {
					t.Error("the client got a whole response")
				}
				if v := <-passed; v != tt.want {
					t.Errorf("past the middleware: %v, want %v", v, tt.want)
				}
				h.Settle()
				d.expect(t, "run route", "run sent")
			})
		})
	}
}

// TestPanicIsLogged: net/http has seen it.
func TestPanicIsLogged(t *testing.T) {
	inModes(t, http1Modes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			scheduleBoth(r.Context(), t)
			panic("boom")
		})))
		var log bytes.Buffer // read when the server is closed
		ts.Config.ErrorLog.SetOutput(&log)
		_, err := ts.Client().Post(ts.URL, "text/plain", http.NoBody) // a GET would be tried again
		if !errors.Is(err, io.EOF) {
			t.Errorf("the client got %v, want an EOF", err)
		}
		ts.Close()
		h.Settle()
		d.expect(t, "run route", "run sent")
		if !bytes.Contains(log.Bytes(), []byte("boom")) {
			t.Errorf("net/http logged %q", log.String())
		}
	})
}
