package taskz

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// nextEvent reads one event of a stream.
func nextEvent(t *testing.T, r *bufio.Reader) (name, data string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); field {
		case "event":
			name = value
		case "data":
			data += value
		case "":
			return name, data
		default:
			t.Fatalf("a line of no event: %q", line)
		}
	}
}

// TestStream: over HTTP, through a server whose timeouts would end it.
func TestStream(t *testing.T) {
	h, harness := newPage(t, postlude.Config{}, Config{})
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	srv.Start()
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != typeEvents || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %v", res.StatusCode, res.Header)
	}
	r := bufio.NewReader(res.Body)
	if name, data := nextEvent(t, r); name != "state" || !json.Valid([]byte(data)) {
		t.Errorf("%s: %s", name, data)
	}
	settle(t, harness, postlude.Func("line\nbreak", func(context.Context) error { return errBoom }))
	var s state
	for len(s.Failures) == 0 { // the next one, about
		name, data := nextEvent(t, r)
		if err := json.Unmarshal([]byte(data), &s); name == "state" && err != nil {
			t.Fatal(err)
		}
	}
	if s.Failures[0].Name != "line\nbreak" {
		t.Errorf("%+v", s.Failures)
	}
	h.Close()
	if rest, err := io.ReadAll(r); err != nil || strings.Contains(string(rest), "event: error") {
		t.Errorf("%v: %s", err, rest)
	}
	if w := request(h, "GET", "/events"); w.Code != http.StatusServiceUnavailable {
		t.Error(w.Code)
	}
}

// client takes a stream as slowly as it is told to.
type client struct {
	mu       sync.Mutex
	header   http.Header
	events   []string
	deadline time.Time
	block    chan struct{} // a write waits for it; nil: none does
}

func newClient() *client { return &client{header: http.Header{}} }

func (c *client) Header() http.Header             { return c.header }
func (c *client) WriteHeader(int)                 {}
func (c *client) Flush()                          {}
func (c *client) SetReadDeadline(time.Time) error { return nil }
func (c *client) SetWriteDeadline(d time.Time) error {
	c.deadline = d
	return nil
}

// Write waits until the deadline, as that of a connection whose other end does not read.
func (c *client) Write(p []byte) (int, error) {
	if c.block != nil {
		select {
		case <-c.block:
		case <-time.After(time.Until(c.deadline)):
			return 0, errors.New("write: i/o timeout")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name, _, _ := strings.Cut(strings.TrimPrefix(string(p), "event: "), "\n")
	c.events = append(c.events, name)
	return len(p), nil
}

func (c *client) count(name string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e == name {
			n++
		}
	}
	return n
}

// look opens a stream; the returned function waits for its end.
func look(h *Handler, ctx context.Context, c *client) (ended func()) {
	var wg sync.WaitGroup
	wg.Go(func() { h.ServeHTTP(c, httptest.NewRequest("GET", "/events", nil).WithContext(ctx)) })
	return wg.Wait
}

// TestStreamsShareSamples: one look at the runtime each second, however many look at the
// page, and one in five while nobody does.
func TestStreamsShareSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newPage(t, postlude.Config{}, Config{})
		ctx, leave := context.WithCancel(t.Context())
		a, b := newClient(), newClient()
		endA, endB := look(h, ctx, a), look(h, ctx, b)
		time.Sleep(20*time.Second + time.Millisecond)
		synctest.Wait()
		if s, p := a.count("state"), a.count("point"); s != 21 || p != 4 || b.count("state") != s {
			t.Errorf("%d and %d states, %d points", s, b.count("state"), p)
		}
		if n := h.viewers.Load(); n != 2 {
			t.Errorf("%d viewers", n)
		}
		leave()
		endA()
		endB()
		before := h.current()
		time.Sleep(20 * time.Second)
		synctest.Wait() // the sampler has done what it does at that moment
		if h.viewers.Load() != 0 || h.current() != before || h.history.seq != 8 {
			t.Errorf("%d viewers, %d points", h.viewers.Load(), h.history.seq)
		}
	})
}

// TestSlowClient: it misses states and holds up nobody; one that takes nothing is dropped.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newPage(t, postlude.Config{}, Config{})
		slow, stuck, quick := newClient(), newClient(), newClient()
		slow.block, stuck.block = make(chan struct{}), make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		ends := []func(){look(h, ctx, slow), look(h, ctx, quick)}
		endStuck := look(h, ctx, stuck)
		time.Sleep(8*time.Second + tick/2)
		slow.block <- struct{}{} // the state of eight seconds ago
		close(slow.block)
		synctest.Wait()
		if n, q := slow.count("state"), quick.count("state"); n != 2 || q < 8 || slow.count("point") != 1 {
			t.Errorf("the slow one has %d states, the quick one %d", n, q)
		}
		time.Sleep(writeTime)
		endStuck()
		if n := h.viewers.Load(); n != 2 || stuck.count("state") != 0 {
			t.Errorf("%d viewers, %d states for the one that takes none", n, stuck.count("state"))
		}
		leave()
		for _, end := range ends {
			end()
		}
	})
}

// TestCloseEndsStreams, and the sampling, whoever is stuck.
func TestCloseEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newPage(t, postlude.Config{}, Config{})
		var ends []func()
		for range 50 {
			ends = append(ends, look(h, t.Context(), newClient()))
		}
		time.Sleep(3 * time.Second)
		start := time.Now()
		h.Close()
		h.Close()
		for _, end := range ends {
			end()
		}
		if time.Since(start) != 0 || h.viewers.Load() != 0 {
			t.Errorf("after %v, %d viewers", time.Since(start), h.viewers.Load())
		}
		if s := get[state](t, h, "/"); s.Time.IsZero() {
			t.Error("the page is not answered")
		}
	})
}

// TestNoFlusher: a middleware that hides it must not make the page wait for ever.
func TestNoFlusher(t *testing.T) {
	h, _ := newPage(t, postlude.Config{}, Config{})
	w := httptest.NewRecorder()
	h.ServeHTTP(struct{ http.ResponseWriter }{w}, httptest.NewRequest("GET", "/events", nil))
	if w.Code != http.StatusNotImplemented || !strings.Contains(w.Body.String(), "Flusher") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
