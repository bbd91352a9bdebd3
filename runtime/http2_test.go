package postlude_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	postlude "github.com/postlude/postlude/runtime"
)

var http2Modes = allModes[len(http1Modes):]

// TestHTTP2FlushesFirst: the middleware sends the response on its way, as the return of
// the handlers comes before net/http does. The client has it while they still run.
func TestHTTP2FlushesFirst(t *testing.T) {
	bodies := map[string]string{"small": "hello", "big": strings.Repeat("0123456789abcdef", 64<<10)}
	inModes(t, http2Modes, func(t *testing.T, m serveMode) {
		for name, body := range bodies {
			t.Run(name, func(t *testing.T) {
				h, d := newHTTP(t, postlude.Config{})
				var sent postlude.Run
				middleware := h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					sent = accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent")))
					accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route")))
					_, _ = io.WriteString(w, body)
				}))
				gotBody := make(chan struct{})
				ts := m.serve(t, h.Runtime(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					middleware.ServeHTTP(w, r)
					awaitClosed(t, "the response, while a handler runs", gotBody)
					if isClosed(sent.Started()) {
						t.Error("the task started while a handler ran")
					}
					d.note("handlers return")
				}))
				resp, err := ts.Client().Get(ts.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.ProtoMajor != 2 {
					t.Fatalf("protocol %s", resp.Proto)
				}
				got := make([]byte, len(body))
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != body {
					t.Errorf("body of %d bytes, %v", len(got), err)
				}
				close(gotBody)
				if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
					t.Errorf("after the body: %q, %v", rest, err)
				}
				h.Settle()
				d.expect(t, "run route", "handlers return", "run sent")
			})
		}
	})
}

// TestHTTP2FlushesForTasksOnly: a response without after-response tasks is left alone,
// so net/http can still tell its length.
func TestHTTP2FlushesForTasksOnly(t *testing.T) {
	inModes(t, http2Modes, func(t *testing.T, m serveMode) {
		h, _ := newHTTP(t, postlude.Config{})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.Go(r.Context(), quickJob("now")))
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route")))
			_, _ = io.WriteString(w, "hello")
		})))
		resp, err := ts.Client().Get(ts.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ContentLength != 5 {
			t.Errorf("length %d", resp.ContentLength)
		}
		h.Settle()
	})
}

// TestStreaming: what the handler flushes reaches the client at once, and its tasks
// wait for the end of the stream.
func TestStreaming(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		read := make(chan struct{})
		defer close(read)
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent := accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent")))
			for range 3 {
				_, _ = io.WriteString(w, "event\n")
				_ = http.NewResponseController(w).Flush()
				<-read
				d.note("event")
			}
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route")))
			if isClosed(sent.Started()) {
				t.Error("the task started within the stream")
			}
		})))
		resp, err := ts.Client().Get(ts.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for range 3 {
			if _, err := io.ReadFull(resp.Body, make([]byte, len("event\n"))); err != nil {
				t.Error(err)
			}
			read <- struct{}{}
		}
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("after the stream: %q, %v", rest, err)
		}
		h.Settle()
		d.expect(t, "event", "event", "event", "run route", "run sent")
	})
}
