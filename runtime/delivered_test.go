package postlude_test

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postlude/postlude/logging"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// TestDeliveredAttributes: the queue, and its id of the job, are on the spans of attempts,
// whoever makes those, and once in each record; also where nothing but the exporter reads the
// spans, and where an argument ends the goroutine that shows it.
func TestDeliveredAttributes(t *testing.T) {
	for name, provider := range bothProviders {
		t.Run(name, func(t *testing.T) {
			ran := make(chan sdktrace.ReadOnlySpan, 2)
			exporter := ender(func(s sdktrace.ReadOnlySpan) {
				if strings.HasPrefix(s.Name(), taskconv.SpanRun) {
					ran <- s
				}
			})
			var lines bytes.Buffer
			failing := postlude.Define("failing", func(context.Context, bill) error { return postlude.Permanent(errBoom) }, postlude.Durable())
			dying := postlude.Define("dying", func(context.Context, dies) error { return nil }, postlude.Durable())
			rt, err := postlude.New(postlude.Config{
				TracerProvider: provider(exporter), Logger: logging.New(&lines, logging.Options{Format: logging.JSON}),
				Engine: durabletest.NewEngine(), Tasks: []postlude.Definition{failing, dying},
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx := rt.Context(t.Context())
			accepted(t)(postlude.Go(ctx, failing.With(bill{"o-17", "4111"})))
			accepted(t)(postlude.Go(ctx, dying.With(dies{N: 1})))
			for range 2 {
				s := <-ran
				for _, key := range []string{taskconv.TaskID, taskconv.TaskQueue, taskconv.TaskJobID, taskconv.TaskOutcome} {
					if attrOf(s, key).AsString() == "" {
						t.Errorf("%s has no %s: %v", s.Name(), key, s.Attributes())
					}
				}
			}
			if _, err := rt.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			ends := 0
			for line := range strings.Lines(lines.String()) {
				if !strings.Contains(line, `"task.outcome":`) {
					continue
				}
				ends++
				if strings.Count(line, `"task.queue":"default"`) != 1 || strings.Count(line, `"task.job_id":`) != 1 {
					t.Error(line)
				}
			}
			if ends != 2 {
				t.Errorf("%d records of an end:\n%s", ends, lines.String())
			}
		})
	}
}

// dies is an argument that ends the goroutine that shows it, in the process that it was
// delivered to.
type dies struct {
	N         int
	delivered bool
}

func (d *dies) UnmarshalJSON([]byte) error {
	d.delivered = true
	return nil
}

func (d dies) LogValue() slog.Value {
	if d.delivered {
		runtime.Goexit()
	}
	return slog.IntValue(d.N)
}
