package postlude_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/taskconv"
)

// quiet drops all records.
var quiet = slog.New(slog.DiscardHandler)

// counter is a slog handler that counts records by event.
type counter struct {
	slog.Handler
	events *sync.Map // event to *atomic.Int64
}

func (c counter) Enabled(context.Context, slog.Level) bool { return true }
func (c counter) WithAttrs([]slog.Attr) slog.Handler       { return c }

func (c counter) Handle(_ context.Context, r slog.Record) error {
	for a := range r.Attrs {
		if a.Key == taskconv.LogEvent {
			n, _ := c.events.LoadOrStore(a.Value.String(), new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
			break
		}
	}
	return nil
}

func (c counter) count(event string) int {
	n, ok := c.events.Load(event)
	if !ok {
		return 0
	}
	return int(n.(*atomic.Int64).Load())
}

// mixed is the work of one task, by its number: it succeeds, fails, panics, exceeds its
// time, waits until it is canceled, or waits for its start until the shutdown drops it.
var mixed = postlude.Define("mixed", func(ctx context.Context, i int) error {
	switch i % 20 {
	case 0:
		return errBoom
	case 1:
		panic("boom")
	case 2, 3: // 3 is canceled by its scheduler
		<-ctx.Done()
		return ctx.Err()
	case 4:
		runtime.Goexit()
	}
	return nil
})

// TestMillion: a million tasks of mixed fate, scheduled by 64 goroutines, with shutdown
// in the midst of them: each is counted once, in the report, in the metrics and in the
// records, and no goroutine is left (TestMain looks).
func TestMillion(t *testing.T) {
	n := 1_000_000
	if raceEnabled || testing.Short() {
		n = 100_000
	}
	log := counter{slog.DiscardHandler, new(sync.Map)}
	reader := sdkmetric.NewManualReader()
	rt, err := postlude.New(postlude.Config{
		Queue: 2 * n, Workers: 256, Logger: slog.New(log),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.TraceIDRatioBased(.01))),
	})
	if err != nil {
		t.Fatal(err)
	}
	scheduled, refused := submit(t, rt, n)
	report, err := rt.Shutdown(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if scheduled+refused != n || report.Scheduled != scheduled {
		t.Errorf("admitted %d, refused %d of %d, report %+v", scheduled, refused, n, report.Counts)
	}
	c := report.Counts
	t.Logf("%+v, refused %d, %d leftovers", c, refused, len(report.Leftovers))
	if sum := c.Succeeded + c.Failed + c.Canceled + c.Dropped; sum != scheduled || c.Running+c.Pending+c.Retrying != 0 {
		t.Errorf("the report's fates sum to %d of %d: %+v", sum, scheduled, c)
	}
	if c.Succeeded == 0 || c.Failed == 0 || c.Canceled == 0 || c.Dropped == 0 {
		t.Errorf("a fate is missing: %+v", c)
	}
	checkMillionRecords(t, log, c)
	checkMillionMetrics(t, reader, c, refused)
}

// submit schedules n tasks from 64 goroutines. The last tenth meets the shutdown.
func submit(t *testing.T, rt *postlude.Runtime, n int) (scheduled, refused int) {
	var ok, no atomic.Int64
	var wg sync.WaitGroup
	var next atomic.Int64
	ctx := rt.Context(context.Background())
	closing := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if i == n*9/10 {
					close(closing)
				}
				opts := []postlude.Option{postlude.Shield(i%7 == 0)}
				switch {
				case i%20 == 2:
					opts = append(opts, postlude.Timeout(time.Millisecond))
				case i%20 == 5 && i%7 != 0: // the shutdown finds these waiting, however fast the workers are
					opts = append(opts, postlude.Delay(time.Hour))
				}
				run, err := postlude.Go(ctx, mixed.With(i), opts...)
				switch {
				case err == nil:
					ok.Add(1)
				case errors.Is(err, postlude.ErrShuttingDown):
					no.Add(1)
				default:
					t.Error(err)
				}
				if i%20 == 3 {
					run.Cancel()
				}
			}
		})
	}
	<-closing
	ended, cancel := context.WithCancel(context.Background())
	cancel() // sweeps and returns; the caller's Shutdown waits
	_, _ = rt.Shutdown(ended)
	wg.Wait()
	return int(ok.Load()), int(no.Load())
}

func checkMillionRecords(t *testing.T, log counter, c postlude.Counts) {
	t.Helper()
	got := [3]int{log.count(taskconv.EventSucceeded), log.count(taskconv.EventFailed), log.count(taskconv.EventDropped)}
	if want := [3]int{c.Succeeded, c.Failed + c.Canceled, c.Dropped}; got != want {
		t.Errorf("records of success, failure, drop: %v, want %v", got, want)
	}
	if n := log.count(taskconv.EventScheduled); n != c.Scheduled {
		t.Errorf("%d records of scheduling, want %d", n, c.Scheduled)
	}
}

func checkMillionMetrics(t *testing.T, reader *sdkmetric.ManualReader, c postlude.Counts, refused int) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	sums := map[string]int{} // "metric outcome-or-reason"
	for _, m := range all.ScopeMetrics[0].Metrics {
		data, ok := m.Data.(metricdata.Sum[int64])
		if !ok {
			continue
		}
		for _, p := range data.DataPoints {
			label, _ := p.Attributes.Value(taskconv.TaskOutcome)
			if reason, ok := p.Attributes.Value(taskconv.Reason); ok {
				label = reason
			}
			sums[m.Name+" "+label.AsString()] += int(p.Value)
		}
	}
	attempts := taskconv.MetricAttempts + " "
	failed := sums[attempts+"error"] + sums[attempts+"panic"] + sums[attempts+"timeout"]
	for what, pair := range map[string][2]int{
		"succeeded": {sums[attempts+"ok"], c.Succeeded},
		"failed":    {failed, c.Failed},
		"canceled":  {sums[attempts+"canceled"], c.Canceled},
		"dropped":   {sums[taskconv.MetricDropped+" shutdown"] + sums[taskconv.MetricDropped+" deadline"], c.Dropped},
		"rejected":  {sums[taskconv.MetricRejected+" shutting_down"], refused},
		"active":    {sums[taskconv.MetricActive+" "], 0},
		"pending":   {sums[taskconv.MetricPending+" "], 0},
	} {
		if pair[0] != pair[1] {
			t.Errorf("metrics say %d %s, want %d; all: %v", pair[0], what, pair[1], sums)
		}
	}
}
