package dashboards

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postlude/postlude/e2e/internal/need"
)

// server is a Prometheus of the test's own.
type server struct {
	url      string
	client   *http.Client
	answered map[string]bool // what has had series: asked once
}

// config scrapes often, so that a test of seconds has rates.
const config = `
global: {scrape_interval: 300ms, scrape_timeout: 250ms, evaluation_interval: 500ms}
rule_files: [%q, %q]
scrape_configs:
`

// serve starts a Prometheus with the rules, which scrapes the targets: host and port by
// the name of the job. It ends with the test.
func serve(t *testing.T, targets map[string]string) *server {
	t.Helper()
	program, dir := need.Program(t, "prometheus", "prometheus"), t.TempDir()
	text := fmt.Sprintf(config, absolute(t, "rules.yml"), absolute(t, "alerts.yml"))
	for job, target := range targets {
		text += fmt.Sprintf("  - {job_name: %q, static_configs: [{targets: [%q]}]}\n", job, target)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "config", file)
	addr := freeAddr(t)
	run(t, program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--enable-feature=exemplar-storage")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s := &server{
		url: "http://" + addr, client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		answered: map[string]bool{},
	}
	eventually(t, 15*time.Second, "Prometheus is ready", func() bool {
		resp, err := s.client.Get(s.url + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return s
}

func absolute(t *testing.T, rules string) string {
	t.Helper()
	path, err := filepath.Abs(prometheusFile(rules))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run starts a program that is killed when the test ends, and shows what it printed if
// the test failed.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	var output bytes.Buffer
	ctx, kill := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill()
		_ = cmd.Wait() // it was told to end
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(program), output.Bytes()[max(0, output.Len()-4000):])
		}
	})
}

// eventually waits until done reports true.
func eventually(t *testing.T, wait time.Duration, what string, done func() bool) {
	t.Helper()
	deadline, tick := time.After(wait), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("within %v, it did not come true that %s", wait, what)
		case <-tick.C:
		}
	}
}

// series is a part of an answer.
type series struct {
	Metric map[string]string
	Value  [2]any // time, and the value as text
}

// number tells whether the value is one: a quantile of nothing is NaN.
func (s series) number() bool {
	text, ok := s.Value[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	return ok && err == nil && value == value
}

// ask runs an instant query. A query that Prometheus refuses fails the test.
func (s *server) ask(t *testing.T, expr string) []series {
	t.Helper()
	var answer struct {
		Status, Error string
		Data          struct{ Result []series }
	}
	s.get(t, "/api/v1/query", url.Values{"query": {expr}}, &answer)
	if answer.Status != "success" {
		t.Fatalf("%s: %s", expr, answer.Error)
	}
	return answer.Data.Result
}

func (s *server) get(t *testing.T, path string, query url.Values, to any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(query.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
