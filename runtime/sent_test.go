package postlude_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	postlude "github.com/postlude/postlude/runtime"
)

// checksResponse is an after-response task that finds, when its function begins, the
// whole response among the bytes that the server has written to its connection. The
// handler calls it before it writes.
func checksResponse(t *testing.T, r *http.Request, status int, body string, ran *atomic.Int64) postlude.Job {
	conn, method := tapOf(r), r.Method
	start := conn.len() // HTTP/1: the response before is out, and begins here
	return postlude.Func("checks_response", func(context.Context) error {
		ran.Add(1)
		resp, got, err := conn.response(start, method)
		switch {
		case err != nil:
			t.Errorf("the task began before the response was written: %v", err)
		case resp.StatusCode != status || got != body:
			t.Errorf("written when the task began: %d and %d bytes of body, want %d and %d",
				resp.StatusCode, len(got), status, len(body))
		}
		return nil
	})
}

// TestAttachedWaitsForLastByte: 2,000 requests, nearly all of which would have their tasks
// too early without Attach.
func TestAttachedWaitsForLastByte(t *testing.T) {
	const clients, each = 4, 500
	h, _ := newHTTP(t, postlude.Config{})
	var ran, conns atomic.Int64
	ts := serveMode{attached: true}.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if tapOf(r).len() == 0 {
				conns.Add(1)
			}
			body := fmt.Sprintln("order", r.URL.Query().Get("n"))
			accepted(t)(postlude.AfterResponse(r.Context(), checksResponse(t, r, http.StatusOK, body, &ran)))
			_, _ = io.WriteString(w, body)
		})))
	ts.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for n := range each {
				resp, err := ts.Client().Get(fmt.Sprintf("%s/?n=%d", ts.URL, c*each+n))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	h.Settle()
	if ran.Load() != clients*each {
		t.Errorf("%d tasks ran, want %d", ran.Load(), clients*each)
	}
	if conns.Load() > clients*each/10 { // the transport may dial while a connection is about to be free
		t.Errorf("%d connections: they were not kept alive", conns.Load())
	}
}

// TestAttachedResponses: whatever kind of response it is, its tasks wait for all of it.
func TestAttachedResponses(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 16<<10) // 256 KiB: beyond all buffers
	tests := []struct {
		name   string
		method string
		status int
		header map[string]string
		body   string
		pieces int // flushed one by one; 0: written at once
	}{
		{name: "empty"},
		{name: "with a length", body: "hello", header: map[string]string{"Content-Length": "5"}},
		{name: "beyond the buffers", body: big},
		{name: "beyond the buffers, with a length", body: big, header: map[string]string{"Content-Length": fmt.Sprint(len(big))}},
		{name: "streamed", body: strings.Repeat("event\n", 20), pieces: 20},
		{name: "streamed and big", body: big, pieces: 16},
		{name: "HEAD", method: http.MethodHead, header: map[string]string{"Content-Length": "5"}},
		{name: "204", status: http.StatusNoContent},
		{name: "304", status: http.StatusNotModified},
		{name: "error", status: http.StatusTeapot, body: "no\n"},
		{name: "closes", body: "hello", header: map[string]string{"Connection": "close"}},
		{name: "closes, big", body: big, header: map[string]string{"Connection": "close"}},
		{name: "closes, streamed", body: strings.Repeat("event\n", 20), pieces: 20, header: map[string]string{"Connection": "close"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const requests = 10 // on one connection, unless that closes
			status := max(tt.status, http.StatusOK)
			h, _ := newHTTP(t, postlude.Config{})
			var ran atomic.Int64
			ts := serveMode{attached: true}.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					accepted(t)(postlude.AfterResponse(r.Context(), checksResponse(t, r, status, tt.body, &ran)))
					for k, v := range tt.header {
						w.Header().Set(k, v)
					}
					w.WriteHeader(status)
					writePieces(w, tt.body, tt.pieces)
				})))
			for range requests {
				req, _ := http.NewRequest(tt.method, ts.URL, http.NoBody)
				resp, err := ts.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if resp.Body.Close(); err != nil || resp.StatusCode != status || string(got) != tt.body {
					t.Errorf("response: %d, %d bytes, %v", resp.StatusCode, len(got), err)
				}
			}
			h.Settle()
			if ran.Load() != requests {
				t.Errorf("%d tasks ran, want %d", ran.Load(), requests)
			}
		})
	}
}

func writePieces(w http.ResponseWriter, body string, pieces int) {
	if pieces == 0 {
		_, _ = io.WriteString(w, body)
		return
	}
	for n := len(body) / pieces; body != ""; body = body[n:] {
		_, _ = io.WriteString(w, body[:n])
		_ = http.NewResponseController(w).Flush()
	}
}

// TestAttachedPipelining: with many requests on the wire at once, each one's task waits
// for its own response.
func TestAttachedPipelining(t *testing.T) {
	const requests = 50
	h, _ := newHTTP(t, postlude.Config{})
	var ran atomic.Int64
	ts := serveMode{attached: true}.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterResponse(r.Context(), checksResponse(t, r, http.StatusOK, r.URL.Path, &ran)))
			_, _ = io.WriteString(w, r.URL.Path)
		})))
	conn, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var all strings.Builder
	for n := range requests {
		fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n", n)
	}
	if _, err := io.WriteString(conn, all.String()); err != nil {
		t.Fatal(err)
	}
	responses := bufio.NewReader(conn)
	for n := range requests {
		resp, err := http.ReadResponse(responses, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != fmt.Sprintf("/%d", n) {
			t.Errorf("response %d: %q, %v", n, body, err)
		}
	}
	h.Settle()
	if ran.Load() != requests {
		t.Errorf("%d tasks ran, want %d", ran.Load(), requests)
	}
}

// TestUnattachedWaitsForReturn: without Attach the tasks wait for the return of all
// handlers, the outer ones too, and for net/http's having seen it.
func TestUnattachedWaitsForReturn(t *testing.T) {
	inModes(t, []serveMode{{name: "HTTP/1"}, {name: "HTTP/2", http2: true}}, func(t *testing.T, m serveMode) {
		const requests = 100
		h, _ := newHTTP(t, postlude.Config{})
		var ran atomic.Int64
		type key struct{}
		middleware := h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			returned := r.Context().Value(key{}).(*atomic.Bool)
			accepted(t)(postlude.AfterResponse(r.Context(), postlude.Func("sent", func(ctx context.Context) error {
				ran.Add(1)
				if !returned.Load() || r.Context().Err() == nil {
					t.Errorf("the task began when the outermost handler had returned: %t, and its request was over: %v",
						returned.Load(), r.Context().Err())
				}
				return ctx.Err()
			})))
			_, _ = io.WriteString(w, "hello")
		}))
		ts := m.serve(t, h.Runtime(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			returned := new(atomic.Bool)
			middleware.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, returned)))
			returned.Store(true)
		}))
		for range requests {
			fetch(t, ts)
		}
		h.Settle()
		if c := h.Runtime().Snapshot().Counts; ran.Load() != requests || c.Succeeded != requests {
			t.Errorf("%d tasks ran, want %d: %+v", ran.Load(), requests, c)
		}
	})
}

// TestResponseIsNotChunked: on HTTP/1, tasks don't change the response.
func TestResponseIsNotChunked(t *testing.T) {
	inModes(t, http1Modes, func(t *testing.T, m serveMode) {
		h, _ := newHTTP(t, postlude.Config{})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route")))
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent")))
			_, _ = io.WriteString(w, "hello")
		})))
		resp, err := ts.Client().Get(ts.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ContentLength != 5 || len(resp.TransferEncoding) > 0 {
			t.Errorf("length %d, encoding %v", resp.ContentLength, resp.TransferEncoding)
		}
	})
}
