package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/figures"
)

const httpName = "HTTP"

// The units of HTTP.
const (
	requestsPerSecond = "requests/s"
	cpuPerRequest     = "CPU, µs per request"
	latencyP50        = "latency p50, µs"
	latencyP99        = "latency p99, µs"
)

// connections that send one request after another: as many as keep a core busy.
const connections = 32

// overHTTP measures a server that schedules a task for each request. The server has a
// process and a core of its own; this process is its client.
func overHTTP(ctx context.Context, s spec) (out values, err error) {
	srv, err := startServer(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	if _, err := srv.load(s.N / 4); err != nil {
		return nil, err
	}
	before, err := srv.usage(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	latencies, err := srv.load(s.N)
	took := time.Since(began)
	if err != nil {
		return nil, err
	}
	after, err := srv.usage(ctx)
	if err != nil {
		return nil, err
	}
	n := float64(len(latencies))
	slices.Sort(latencies)
	return values{
		requestsPerSecond: n / took.Seconds(),
		cpuPerRequest:     micros(after.CPU-before.CPU) / n,
		latencyP50:        micros(figures.Percentile(latencies, 50)),
		latencyP99:        micros(figures.Percentile(latencies, 99)),
	}, nil
}

// server is the process that serves.
type server struct {
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
	fault *bytes.Buffer
}

// startServer starts one, with a single core.
func startServer(ctx context.Context, s spec) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd, fault := exec.CommandContext(ctx, self, serveArg, string(text)), new(bytes.Buffer)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = fault
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return nil, err
	}
	srv := &server{cmd: cmd, stdin: stdin, fault: fault}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server has not started: %w", err), srv.stop())
	}
	srv.addr = strings.TrimSpace(line)
	return srv, nil
}

// stop has the server shut down, which finishes its tasks, and check what it has done.
func (s *server) stop() error {
	_ = s.stdin.Close() // it has ended by itself, else
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("the server: %w\n%s", err, lastLines(s.fault.String(), 20))
	}
	return nil
}

func (s *server) usage(ctx context.Context) (u usage, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+usagePath, http.NoBody)
	if err != nil {
		return u, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return u, err
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	return u, json.NewDecoder(response.Body).Decode(&u)
}

// load sends n requests on all connections together, and returns how long each took.
func (s *server) load(n int) ([]time.Duration, error) {
	each := n / connections
	all, faults := make([]time.Duration, each*connections), make([]error, connections)
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() { faults[i] = s.client(all[i*each : (i+1)*each]) })
	}
	wg.Wait()
	return all, errors.Join(faults...)
}
