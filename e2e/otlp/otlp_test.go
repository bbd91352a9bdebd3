// Package otlp has programs export to a real receiver, over gRPC and HTTP, and looks at
// what arrives.
package otlp

import (
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/postlude/postlude/e2e/internal/process"
	"github.com/postlude/postlude/e2e/internal/program"
	"github.com/postlude/postlude/e2e/internal/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(program.Clean)) }

// protocols are those that programs export by, each compressed or not.
var protocols = map[string]func(*receiver.Receiver) []string{
	"grpc": func(r *receiver.Receiver) []string {
		return []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=" + r.GRPC, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip"}
	},
	"http/protobuf": func(r *receiver.Receiver) []string {
		return []string{"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT=" + r.HTTP}
	},
}

// received is what a run of examples/errors exported, and what it wrote.
type received struct {
	*receiver.Receiver
	*program.Server
	t        *testing.T
	protocol string
	spans    map[string]receiver.Span // by id
}

// TestErrors: what examples/errors exports arrives, by either protocol.
func TestErrors(t *testing.T) {
	for protocol, env := range protocols {
		t.Run(protocol, func(t *testing.T) {
			r := runErrors(t, protocol, env)
			t.Run("origin", r.checkOrigin)
			t.Run("trees", r.checkTrees)
			t.Run("attempts", r.checkAttempts)
			t.Run("records", r.checkRecords)
			t.Run("metrics", r.checkMetrics)
		})
	}
}

func runErrors(t *testing.T, protocol string, env func(*receiver.Receiver) []string) *received {
	t.Helper()
	r := &received{t: t, protocol: protocol, Receiver: receiver.Start(t), spans: map[string]receiver.Span{}}
	r.Server = program.Serve(t, append(env(r.Receiver), "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test")...)
	for _, path := range []string{"/critical", "/retry", "/email-fallback", "/timing-errors", "/structured-logging?how=panic", "/monitored"} {
		r.Post(path)
	}
	r.Until("task.failed", 6)
	r.Until("task.succeeded", 2)
	if code := r.Server.Stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, s := range r.Spans() {
		if _, again := r.spans[s.ID()]; again {
			t.Errorf("span %q came twice", s.Name)
		}
		r.spans[s.ID()] = s
	}
	return r
}

// runEventful returns what the eventful program wrote and, in r, exported.
func runEventful(t *testing.T, r *receiver.Receiver, env func(*receiver.Receiver) []string) *process.Process {
	t.Helper()
	cmd := exec.Command(program.Build(t, program.Eventful), "-valid")
	cmd.Env = program.Environment(env(r)...)
	p := process.Start(t, cmd, 2*program.Patience)
	if code := p.Wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return p
}
