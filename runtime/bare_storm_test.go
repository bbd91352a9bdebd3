package postlude_test

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/postlude/postlude/logging"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/taskconv"
)

// TestStormOfOperators: tasks are found, canceled, hastened and looked at from outside at
// any moment of their lives, and shut down in the midst of it. It does without the test kit,
// which has all tasks take the long ways of records and spans.
func TestStormOfOperators(t *testing.T) {
	rounds := 2 * len(sampled)
	if testing.Short() {
		rounds = len(sampled)
	}
	for round := range rounds {
		reader := sdkmetric.NewManualReader()
		rt, err := postlude.New(postlude.Config{
			Workers: 4, Queue: 200, Logger: logging.New(io.Discard, logging.Options{Format: logging.JSON}),
			TracerProvider: sampled[round%len(sampled)].make(new(tracer)),
			MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ended, enough := make(chan struct{}), make(chan struct{})
		var scheduled atomic.Int64
		var everybody, runs sync.WaitGroup
		for range 4 {
			everybody.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-ended:
						return
					default:
					}
					if run, err := postlude.Go(rt.Context(context.Background()), stormy(), stormyOptions()...); err == nil {
						if scheduled.Add(1) == 100 {
							close(enough)
						}
						runs.Go(func() { operate(rt, run) })
					}
				}
			})
		}
		everybody.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				_ = rt.Snapshot()
				_ = reader.Collect(context.Background(), new(metricdata.ResourceMetrics))
			}
		})
		<-enough // a busy machine takes its time
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_ = rt.Wait(ctx) // it is never empty for long
		<-ctx.Done()
		r, err := rt.Shutdown(t.Context())
		cancel()
		close(ended)
		everybody.Wait()
		runs.Wait()
		if c := r.Counts; err != nil || c.Running+c.Pending+c.Retrying != 0 || c.Scheduled == 0 || c.Scheduled != c.Succeeded+c.Failed+c.Canceled+c.Dropped {
			t.Fatalf("%+v, %v", r.Counts, err)
		}
		checkGaugesOf(t, reader)
	}
}

func checkGaugesOf(t *testing.T, reader *sdkmetric.ManualReader) {
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name != taskconv.MetricActive && m.Name != taskconv.MetricPending {
				continue
			}
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				if p.Value != 0 {
					t.Errorf("%s is %d", m.Name, p.Value)
				}
			}
		}
	}
}

// stormy is a task that does one of the things that tasks do.
func stormy() postlude.Job {
	how := rand.IntN(6)
	return postlude.Func("stormy", func(ctx context.Context) error {
		switch how {
		case 0:
			return errBoom
		case 1:
			panic("boom")
		case 2:
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Millisecond):
			}
		case 3:
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			context.AfterFunc(ctx, func() { _ = child.Err() })
		case 4:
			goexit()
		}
		return nil
	})
}

func stormyOptions() []postlude.Option {
	all := []postlude.Option{
		postlude.OnError(postlude.Retry{Max: 3, Base: time.Millisecond, Jitter: 1}),
		postlude.Delay(time.Millisecond), postlude.Shield(true), postlude.LeanContext(),
		postlude.Timeout(time.Millisecond), postlude.Attributes(attribute.String("state", "new")),
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:rand.IntN(len(all)+1)]
}

// operate does what operators and callers do with a Run, and waits for its end.
func operate(rt *postlude.Runtime, run postlude.Run) {
	switch rand.IntN(5) {
	case 0:
		run.Cancel()
	case 1:
		if r, ok := rt.Find(run.ID()); ok {
			r.Cancel()
		}
	case 2:
		<-run.Started()
		run.Cancel()
	case 3:
		for range 10 {
			run.RetryNow()
			_ = run.Err()
		}
	}
	<-run.Done()
}
