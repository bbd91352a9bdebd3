package postlude_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// TestStorm: a handler that panics, one that blocks for ever and one whose I/O fails, in
// one chain, under ten thousand failures at once: each task ends with a verdict, the
// blocked handler holds one goroutine, and tasks that succeed notice nothing.
func TestStorm(t *testing.T) {
	n := 10_000
	switch {
	case testing.Short():
		n = 500
	case raceEnabled:
		n = 3_000
	}
	release := make(chan struct{})
	defer close(release)
	var blocked atomic.Int32
	missing := filepath.Join(t.TempDir(), "missing", "file")
	h := postludetest.New(t, postlude.Config{
		Workers: 256, HandlerTimeout: 3 * time.Second, // once; a busy machine must not make others late
		Defaults: []postlude.Option{postlude.OnError(
			postlude.HandlerFunc("panics", func(context.Context, *postlude.Failure) postlude.Verdict { panic("handler") }),
			postlude.HandlerFunc("blocks", func(context.Context, *postlude.Failure) postlude.Verdict {
				blocked.Add(1)
				<-release
				return postlude.Drop
			}),
			postlude.HandlerFunc("writes", func(context.Context, *postlude.Failure) postlude.Verdict {
				err := os.WriteFile(missing, nil, 0o600)
				return postlude.Pass.Then(func(context.Context) error { return err })
			}),
			verdict("last", postlude.Handled, new(tracer)),
		)},
	})
	before := goroutines()
	start := time.Now()
	for i := range n {
		admitted(t)(postlude.Go(h.Context(), failingTask.With(i)))
		if i%10 == 0 {
			admitted(t)(postlude.Go(h.Context(), okTask.With(i)))
		}
	}
	h.Settle()
	if c := h.Runtime().Snapshot().Counts; c != (postlude.Counts{Scheduled: n + n/10, Succeeded: n / 10, Failed: n}) {
		t.Errorf("%+v", c)
	}
	spans := h.Spans("run failing")
	if len(spans) != n {
		t.Errorf("%d spans", len(spans))
	}
	for _, s := range spans {
		if attrOf(s, "task.verdict.handler").AsString() != "last" {
			t.Fatalf("%v", s.Attributes())
		}
	}
	if calls := blocked.Load(); calls != 1 {
		t.Errorf("the handler that blocks was called %d times", calls)
	}
	waitUntil(t, func() bool { return goroutines() <= before+h.Runtime().Snapshot().Workers+1 })
	for _, s := range h.Spans("run ok") { // nobody else is disturbed: they wait for a worker, once
		if s.EndTime().Sub(s.StartTime()) > time.Since(start)/2 {
			t.Errorf("a task that succeeds took %v", s.EndTime().Sub(s.StartTime()))
		}
	}
	// Each failure has three handlers that fail: by a panic, by blocking, by its work.
	if e := h.Metric(taskconv.MetricHandlerErrors, attribute.String("task.name", "failing")); e != float64(3*n) {
		t.Errorf("%v handler errors, want %d", e, 3*n)
	}
	r, err := h.Runtime().Shutdown(context.Background())
	if err != nil || len(r.Blocked) != 1 || r.Blocked[0] != "blocks" {
		t.Errorf("%v, %v", r.Blocked, err)
	}
}
