package postlude_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/logging"
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
	for name, provider := range bothProviders {
		recorder := tracetest.NewSpanRecorder()
		rt := bare(t, postlude.Config{TracerProvider: provider(recorder)})
		run := accepted(t)(postlude.Go(rt.Context(t.Context()), postlude.Func("job", func(context.Context) error { return goexits{} })))
		<-run.Done()
		s := recorder.Ended()[0]
		if attrOf(s, taskconv.TaskID).AsString() != run.ID() || attrOf(s, taskconv.TaskOutcome).AsString() != "panic" {
			t.Errorf("%s: %v", name, s.Attributes())
		}
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
		s := fmt.Sprint(ctx)
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

// TestRecordOfHostileArgs: a task whose arguments end the goroutine that writes them into its
// only record has that record.
func TestRecordOfHostileArgs(t *testing.T) {
	var out bytes.Buffer
	rt, err := postlude.New(postlude.Config{Logger: logging.New(&out, logging.Options{Format: logging.JSON})})
	if err != nil {
		t.Fatal(err)
	}
	task := postlude.Define("job", func(context.Context, exits) error { return nil })
	run := accepted(t)(postlude.Go(rt.Context(t.Context()), task.With(exits{})))
	<-run.Done()
	if _, err := rt.Shutdown(t.Context()); err != nil || run.Err() != nil || strings.Count(out.String(), taskconv.EventSucceeded) != 1 {
		t.Errorf("%v, %v\n%s", err, run.Err(), &out)
	}
}
