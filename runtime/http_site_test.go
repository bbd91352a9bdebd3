package postlude_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

// This file has what the tests of HTTP share: real servers and clients over loopback, a
// diary of what happened in which order, and a tap that knows what a server has written.

// diary is what happened, in order. As a span processor it notes the starts of attempts,
// because those are ordered; the functions of two tasks may overtake each other.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) note(entry string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, entry)
}

func (d *diary) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) { d.note(s.Name()) }
func (d *diary) OnEnd(sdktrace.ReadOnlySpan)                         {}
func (d *diary) Shutdown(context.Context) error                      { return nil }
func (d *diary) ForceFlush(context.Context) error                    { return nil }

func (d *diary) expect(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.entries, want) {
		t.Errorf("what happened:\n%q\nwant:\n%q", d.entries, want)
	}
}

// newHTTP makes a runtime whose attempts are noted in the diary.
func newHTTP(t *testing.T, cfg postlude.Config) (*postludetest.Harness, *diary) {
	d := new(diary)
	cfg.Defaults = append(cfg.Defaults, postlude.OnError(postlude.Processor(d)))
	return postludetest.New(t, cfg), d
}

// quickJob is a task that succeeds at once.
func quickJob(name string) postlude.Job {
	return postlude.Func(name, func(context.Context) error { return nil })
}

// heldJob is a task that ends when c is closed.
func heldJob(name string, c <-chan struct{}) postlude.Job {
	return postlude.Func(name, func(ctx context.Context) error {
		select {
		case <-c:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// accepted is for scheduling in a handler, where t.Fatal can't be called.
func accepted(t *testing.T) func(postlude.Run, error) postlude.Run {
	return func(run postlude.Run, err error) postlude.Run {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		return run
	}
}

// awaitClosed returns when c is closed; a test that hangs should say where.
func awaitClosed(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Errorf("waited in vain: %s", what)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// serveMode is a way to serve.
type serveMode struct {
	name     string
	http2    bool
	attached bool
}

var (
	http1Modes = []serveMode{{name: "HTTP/1"}, {name: "HTTP/1 attached", attached: true}}
	allModes   = append(slices.Clip(http1Modes),
		serveMode{name: "HTTP/2", http2: true}, serveMode{name: "HTTP/2 attached", http2: true, attached: true})
)

func inModes(t *testing.T, modes []serveMode, test func(*testing.T, serveMode)) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { test(t, m) })
	}
}

// serve starts a server. Its connections are tapped, see tapOf.
func (m serveMode) serve(t *testing.T, rt *postlude.Runtime, handler http.Handler) *httptest.Server {
	ts := httptest.NewUnstartedServer(handler)
	ts.Listener = tapListener{ts.Listener}
	ts.Config.ErrorLog = log.New(io.Discard, "", 0) // panics are part of the tests
	ts.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, tapKey{}, c)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!m.http2)
	protocols.SetUnencryptedHTTP2(m.http2)
	ts.Config.Protocols = protocols
	if m.attached {
		rt.Attach(ts.Config)
	}
	ts.Start()
	ts.Client().Transport.(*http.Transport).Protocols = protocols
	t.Cleanup(ts.Close)
	return ts
}

// fetch requests the server's root and reads the whole response.
func fetch(t *testing.T, ts *httptest.Server) (status int, body string) {
	t.Helper()
	resp, err := ts.Client().Get(ts.URL)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

// tap is a server's connection that keeps what was written, once Write has returned.
type tap struct {
	net.Conn
	mu      sync.Mutex
	written []byte
}

type tapKey struct{}

func tapOf(r *http.Request) *tap { return r.Context().Value(tapKey{}).(*tap) }

// Write gives the others time, so that a task that does not wait for it is found out.
func (c *tap) Write(p []byte) (int, error) {
	for range 100 {
		runtime.Gosched()
	}
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = append(c.written, p[:n]...)
	return n, err
}

func (c *tap) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.written)
}

// response parses the HTTP/1 response that begins at offset. It fails if the response
// is not complete.
func (c *tap) response(offset int, method string) (*http.Response, string, error) {
	c.mu.Lock()
	written := bytes.Clone(c.written[offset:])
	c.mu.Unlock()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(written)), &http.Request{Method: method})
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

type tapListener struct{ net.Listener }

func (l tapListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tap{Conn: c}, nil
}
