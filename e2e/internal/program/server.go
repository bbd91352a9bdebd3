package program

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postlude/postlude/e2e/internal/process"
)

// Patience is how long a test waits for something that takes milliseconds on a machine
// that has nothing else to do.
const Patience = 15 * time.Second

// Server is a running examples/errors.
type Server struct {
	t   testing.TB
	url string
	*process.Process
}

// Serve starts examples/errors and waits until it serves. env is added to an environment
// without OTEL_* variables.
func Serve(t testing.TB, env ...string) *Server {
	t.Helper()
	addr := FreeAddr(t)
	cmd := exec.Command(Build(t, Errors), "-addr", addr, "-log", "json", "-base-delay", "2ms")
	cmd.Env = Environment(env...)
	s := &Server{t: t, url: "http://" + addr, Process: process.Start(t, cmd, 4*Patience)}
	s.Await(Patience, "it serves", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		_ = conn.Close() // its error is no matter: it served
		return true
	})
	return s
}

// Environment is the test's own, without OTEL_* variables, and env.
func Environment(env ...string) []string {
	var all []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "OTEL_") {
			all = append(all, kv)
		}
	}
	return append(all, env...)
}

// FreeAddr is an address where nothing listens; until somebody else is given it.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Post sends a request, which has to be answered with 200.
func (s *Server) Post(path string) {
	s.t.Helper()
	client := http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(s.url+path, "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("POST %s: %s", path, resp.Status)
	}
}

// Until waits until there are n records of an event.
func (s *Server) Until(event string, n int) {
	s.t.Helper()
	s.Await(Patience, fmt.Sprintf("%d records of %s", n, event), func() bool {
		return len(s.Records(event)) >= n
	})
}

// Records returns the records of an event that are there by now.
func (s *Server) Records(event string) (all []map[string]any) {
	s.t.Helper()
	for line := range strings.Lines(s.Stdout.String()) {
		if !strings.HasSuffix(line, "\n") {
			break // half written
		}
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			s.t.Fatalf("no JSON: %v\n%s", err, line)
		}
		if r["event"] == event {
			all = append(all, r)
		}
	}
	return all
}

// Stop ends it as an orchestrator does, and returns its exit code.
func (s *Server) Stop() int {
	s.t.Helper()
	return s.End(syscall.SIGTERM)
}
