package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// TestFindOddIDs: an id comes from an operator's URL, and may be anything.
func TestFindOddIDs(t *testing.T) {
	rt := postludetest.New(t, postlude.Config{}).Runtime()
	for _, id := range []string{"", "-", "0", "zz", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("0", 34), strings.Repeat("0", 1000)} {
		if _, ok := rt.Find(id); ok {
			t.Errorf("%q was found", id)
		}
	}
}

// bare is a runtime without the test kit, whose processor sees all spans from the start.
func bare(t *testing.T, cfg postlude.Config) *postlude.Runtime {
	cfg.Logger = quiet
	rt, err := postlude.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = rt.Shutdown(context.Background()) })
	return rt
}

// TestFunctionsAttributesWin: what a function sets on its span is newer than the option
// Attributes, and a handler sees it.
func TestFunctionsAttributesWin(t *testing.T) {
	for _, s := range sampled {
		var seen string
		rt := bare(t, postlude.Config{TracerProvider: s.make(new(tracer))})
		look := postlude.HandlerFunc("look", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
			seen = attrOf(f.Span, "state").AsString()
			return postlude.Handled
		})
		run := accepted(t)(postlude.Go(rt.Context(t.Context()), postlude.Func("job", func(ctx context.Context) error {
			trace.SpanFromContext(ctx).SetAttributes(attribute.String("state", "shipped"))
			return errBoom
		}), postlude.Attributes(attribute.String("state", "new")), postlude.OnError(look)))
		<-run.Done()
		if seen != "shipped" {
			t.Errorf("%s: %q", s.name, seen)
		}
	}
}

// goexits is an error whose text ends the goroutine.
type goexits struct{}

func (goexits) Error() string { runtime.Goexit(); return "" }

// TestSpanOfHostileError: its task can be found by the span's attributes all the same, and
// has its final record.
func TestSpanOfHostileError(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	rt := bare(t, postlude.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))})
	run := accepted(t)(postlude.Go(rt.Context(t.Context()), postlude.Func("job", func(context.Context) error { return goexits{} })))
	<-run.Done()
	s := recorder.Ended()[0]
	if attrOf(s, taskconv.TaskID).AsString() != run.ID() || attrOf(s, taskconv.TaskOutcome).AsString() != "panic" {
		t.Errorf("%v", s.Attributes())
	}
	h := postludetest.New(t, postlude.Config{})
	settle(t, h, postlude.Func("job", func(context.Context) error { return goexits{} }))
	if r := h.Records(taskconv.EventFailed); len(r) != 1 {
		t.Errorf("%d final records", len(r))
	}
}

// TestIDOfHostileArgs: arguments that end the goroutine take the id with them no more than
// the record.
func TestIDOfHostileArgs(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	task := postlude.Define("job", func(context.Context, exits) error { return nil })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = postlude.Go(h.Context(), task.With(exits{}))
	}()
	<-done
	h.Settle()
	if id := attrOf(one(t, h, "run job"), taskconv.TaskID).AsString(); len(id) != 36 {
		t.Errorf("on the span: %q", id)
	}
	for _, r := range h.Records(taskconv.EventFailed) {
		if id, _ := r[taskconv.TaskID].(string); len(id) != 36 {
			t.Errorf("in the record: %v", r)
		}
	}
}

// asked counts who wants to know what it says.
type asked struct{ n *atomic.Int32 }

func (e asked) Error() string { e.n.Add(1); return "asked" }

// TestSnapshotAsksNoErrors: their methods are user code, which may block, or not be safe
// for a goroutine other than the task's.
func TestSnapshotAsksNoErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, n := postludetest.New(t, postlude.Config{}), new(atomic.Int32)
		run := settledAfter(t, time.Second)(postlude.Go(h.Context(), postlude.Func("job", func(context.Context) error { return asked{n} }),
			postlude.OnError(postlude.Retry{Max: 1, Base: time.Minute})))
		before := n.Load()
		if s := h.Runtime().Snapshot(); len(s.Backoff) != 1 || s.Backoff[0].Message != "asked" || n.Load() != before {
			t.Errorf("%+v, asked %d times", s.Backoff, n.Load()-before)
		}
		run.Cancel()
	})
}

// TestSnapshotOfUnqueued: a task that waits for another try to be enqueued is shown as one
// that waits.
func TestSnapshotOfUnqueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := billing(nothing)
		h := postludetest.New(t, postlude.Config{Engine: &refusing{durabletest.NewEngine()}, EnqueueOnly: true})
		h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterResponse(r.Context(), task.With(bill{})))
		}), httptest.NewRequest("GET", "/", http.NoBody))
		synctest.Wait()
		s := h.Runtime().Snapshot()
		if len(s.Backoff) != 1 || s.Backoff[0].State != postlude.StateRetrying || s.Backoff[0].Message == "" || s.Backoff[0].Due.IsZero() {
			t.Errorf("%+v", s.Backoff)
		}
	})
}

// refusing is an engine whose database is away.
type refusing struct{ *durabletest.Engine }

func (*refusing) Enqueue(context.Context, durable.Job) (durable.Receipt, error) {
	return durable.Receipt{}, errors.New("database is away")
}

// unworkable is an engine that can't begin.
type unworkable struct{ *durabletest.Engine }

func (unworkable) Work(context.Context, durable.Worker) (durable.Session, error) {
	return nil, errors.New("not yet")
}

// TestNewLeavesNothingBehind: a New that failed observes no metrics.
func TestNewLeavesNothingBehind(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	_, err := postlude.New(postlude.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Logger: quiet,
		Engine: unworkable{durabletest.NewEngine()}, Tasks: []postlude.Definition{billing(nothing)},
	})
	if err == nil {
		t.Fatal("it was made")
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil || len(rm.ScopeMetrics) > 0 {
		t.Errorf("%v, %+v", err, rm.ScopeMetrics)
	}
}

// TestBusySince: after the enqueueing of a durable task, a worker's next task runs since it
// was taken, and not since before.
func TestBusySince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &slowly{durabletest.NewEngine()}
		h := postludetest.New(t, postlude.Config{Workers: 1, Engine: e, EnqueueOnly: true})
		time.Sleep(time.Second)
		h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterResponse(r.Context(), billing(nothing).With(bill{})))
		}), httptest.NewRequest("GET", "/", http.NoBody))
		synctest.Wait()
		accepted(t)(postlude.Go(h.Context(), sleeper("slow", time.Minute)))
		time.Sleep(4 * time.Second)
		if s := h.Runtime().Snapshot(); len(s.Busy) != 1 || s.Time.Sub(s.Busy[0].Since) != time.Second {
			t.Errorf("at %v: %+v", s.Time, s.Busy)
		}
	})
}

// slowly takes three seconds to enqueue.
type slowly struct{ *durabletest.Engine }

func (e *slowly) Enqueue(ctx context.Context, j durable.Job) (durable.Receipt, error) {
	time.Sleep(3 * time.Second)
	return e.Engine.Enqueue(ctx, j)
}

// TestRuntimesShareAMeterProvider: what they count of the same task adds up.
func TestRuntimesShareAMeterProvider(t *testing.T) {
	delta := func(sdkmetric.InstrumentKind) metricdata.Temporality { return metricdata.DeltaTemporality }
	for name, c := range map[string]struct {
		reader *sdkmetric.ManualReader
		want   [2]int64
	}{
		"cumulative": {sdkmetric.NewManualReader(), [2]int64{2, 3}},
		"delta":      {sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(delta)), [2]int64{2, 1}},
	} {
		mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(c.reader))
		one, two := bare(t, postlude.Config{MeterProvider: mp}), bare(t, postlude.Config{MeterProvider: mp})
		for i, rts := range [][]*postlude.Runtime{{one, two}, {two}} {
			for _, rt := range rts {
				run := accepted(t)(postlude.Go(rt.Context(t.Context()), postlude.Func("job", func(context.Context) error { return nil })))
				<-run.Done()
			}
			if _, err := one.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := attemptsOf(t, c.reader); got != c.want[i] {
				t.Errorf("%s, collection %d: %d attempts, want %d", name, i, got, c.want[i])
			}
		}
	}
}

func attemptsOf(t *testing.T, reader *sdkmetric.ManualReader) (n int64) {
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name == taskconv.MetricAttempts {
				for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
					n += p.Value
				}
			}
		}
	}
	return n
}

// TestPrintedContext: a context may be printed, whatever happens to its task meanwhile.
func TestPrintedContext(t *testing.T) {
	rt := bare(t, postlude.Config{})
	begun, printed := make(chan struct{}), make(chan string)
	run := accepted(t)(postlude.Go(rt.Context(t.Context()), postlude.Func("job", func(ctx context.Context) error {
		close(begun)
		var s string
		for ctx.Err() == nil {
			s = fmt.Sprint(ctx)
		}
		printed <- s
		return nil
	})))
	<-begun
	run.Cancel()
	if s := <-printed; !strings.Contains(s, "job") || len(s) > 100 {
		t.Error(s)
	}
}
