package otlp

import (
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/e2e/internal/program"
	"github.com/postlude/postlude/e2e/internal/receiver"
)

// TestEndpointDown: a back end that is away, from the start or at the end only, keeps the
// tasks from nothing. The program drains, tells what was lost, and ends with 1. The exports
// have half a second: an endpoint that refuses connections is tried again and again until
// then, by default for the ten seconds that the program has for its end.
func TestEndpointDown(t *testing.T) {
	for protocol, protocolEnv := range protocols {
		env := func(r *receiver.Receiver) []string {
			return append(protocolEnv(r), "OTEL_EXPORTER_OTLP_TIMEOUT=500", "OTEL_BSP_EXPORT_TIMEOUT=500", "OTEL_METRIC_EXPORT_TIMEOUT=500")
		}
		t.Run(protocol, func(t *testing.T) {
			t.Run("from the start", func(t *testing.T) {
				r := receiver.Start(t)
				r.Stop()
				checkDown(t, program.Serve(t, env(r)...), func() {})
			})
			t.Run("at the end", func(t *testing.T) {
				r := receiver.Start(t)
				// Spans leave as they end, so that some arrive.
				s := program.Serve(t, append(env(r), "OTEL_BSP_SCHEDULE_DELAY=10")...)
				s.Post("/monitored")
				s.Until("task.failed", 1)
				s.Await(program.Patience, "a span has arrived", func() bool { return len(r.Spans()) > 0 })
				checkDown(t, s, r.Stop)
			})
		})
	}
}

// checkDown has a program work and end while its back end is away.
func checkDown(t *testing.T, s *program.Server, cut func()) {
	t.Helper()
	cut()
	before := len(s.Records("task.failed"))
	s.Post("/structured-logging")
	s.Post("/timing-errors")
	s.Until("task.failed", before+4) // a shutdown drops what has not begun
	began := time.Now()
	if code := s.Stop(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v to end", took)
	}
	if n := len(s.Records("task.failed")) - before; n != 4 {
		t.Errorf("%d tasks have ended", n)
	}
	drained := s.Records("runtime.shutdown")
	if len(drained) != 1 || drained[0]["runtime.unfinished"] != 0.0 || drained[0]["runtime.dropped"] != 0.0 {
		t.Errorf("the runtime has drained: %v", drained)
	}
	for _, lost := range []string{"traces", "metrics"} {
		if !strings.Contains(told(s), lost) {
			t.Errorf("it does not tell that %s were lost:\n%s", lost, told(s))
		}
	}
}

// told is what the program says of telemetry that was lost: on its way down on standard
// error, before in records.
func told(s *program.Server) string {
	_, all, _ := strings.Cut(s.Stderr.String(), "\nerrors: ")
	for _, r := range s.Records("otel.error") {
		all += "\n" + r["exception.message"].(string)
	}
	return all
}
