package postlude_test

import (
	"context"
	"io"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postlude/postlude/logging"
	postlude "github.com/postlude/postlude/runtime"
)

// TestAllocations: a task with a sampled span, a record and three handlers, of which one
// decides if it fails, from Go to Done. Nothing else tells when one more is made for each.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, too")
	}
	for _, c := range []struct {
		name, provider string
		task           *postlude.Task[int]
		bound          float64 // two more than when it was written
	}{
		{"success", "our provider", okTask, 10},
		{"success", "the SDK's provider", okTask, 18},
		{"failure", "our provider", failingTask, 25},
		{"failure", "the SDK's provider", failingTask, 33},
	} {
		t.Run(c.name+", "+c.provider, func(t *testing.T) {
			if n := allocations(t, c.provider, c.task); n > c.bound {
				t.Errorf("%v allocations, more than %v", n, c.bound)
			} else {
				t.Logf("%v allocations", n)
			}
		})
	}
}

func allocations(t *testing.T, provider string, task *postlude.Task[int]) float64 {
	t.Helper()
	rt := bare(t, postlude.Config{
		Workers: 1, Logger: logging.New(io.Discard, logging.Options{Format: logging.JSON}),
		TracerProvider: bothProviders[provider](sdktrace.NewSimpleSpanProcessor(discard{})), MeterProvider: metricnoop.NewMeterProvider(),
		Defaults: []postlude.Option{postlude.OnError(
			postlude.Is(io.EOF, postlude.Retry{Max: 3}),
			postlude.For[*wrapErr](postlude.Retry{Max: 3}),
			verdict("last", postlude.Handled, new(tracer)),
		)},
	})
	ctx := rt.Context(context.Background())
	return testing.AllocsPerRun(500, func() {
		<-accepted(t)(postlude.Go(ctx, task.With(1))).Done()
	})
}
