package sentrynotify

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getsentry/sentry-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct-horse-battery"

// server is as much of Sentry as receives envelopes.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]byte
	paths  []string
}

func newServer(t *testing.T, answer http.HandlerFunc) *server {
	s := new(server)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.bodies = append(s.bodies, body)
		s.paths = append(s.paths, r.URL.Path)
		s.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) dsn() string { return strings.Replace(s.URL, "//", "//key@", 1) + "/1" }

// notifier sends to s.
func (s *server) notifier(t *testing.T, options sentry.ClientOptions) *Notifier {
	t.Helper()
	options.Dsn = s.dsn()
	n, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// received is an event as JSON has it.
type received struct {
	ID          string         `json:"event_id"`
	Level       string         `json:"level"`
	Release     string         `json:"release"`
	Transaction string         `json:"transaction"`
	Fingerprint []string       `json:"fingerprint"`
	Tags        map[string]any `json:"tags"`
	Contexts    struct {
		Trace struct {
			TraceID string `json:"trace_id"`
			SpanID  string `json:"span_id"`
		} `json:"trace"`
		Task map[string]any `json:"task"`
	} `json:"contexts"`
	Exception   []sentry.Exception `json:"exception"`
	Breadcrumbs []any              `json:"breadcrumbs"`
}

// events takes the envelopes apart: a line of header, then for each item a line of header
// and its payload.
func (s *server) events(t *testing.T) (all []received) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, body := range s.bodies {
		if s.paths[i] != "/api/1/envelope/" {
			t.Fatalf("sent to %s", s.paths[i])
		}
		lines := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
		var item struct {
			Type   string
			Length int
		}
		if len(lines) != 3 || json.Unmarshal(lines[1], &item) != nil || item.Type != "event" || item.Length != len(lines[2]) {
			t.Fatalf("not an envelope with one event: %s", body)
		}
		var e received
		if err := json.Unmarshal(lines[2], &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// one is the only event.
func (s *server) one(t *testing.T) received {
	t.Helper()
	all := s.events(t)
	if len(all) != 1 {
		t.Fatalf("%d events, want 1", len(all))
	}
	return all[0]
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies)
}

var background = context.Background()
