package dashboards

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// provoke serves the metrics of a runtime to which everything happens all the time that a
// dashboard shows or an alert watches. It returns the host and port to scrape.
func provoke(t *testing.T) string {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		t.Fatal(err)
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	traces := sdktrace.NewTracerProvider() // samples all, so that there are exemplars
	cfg := postlude.Config{
		Workers: 4, Queue: places, Logger: slog.New(slog.DiscardHandler), MeterProvider: meters, TracerProvider: traces,
	}
	loseTasks(t, cfg)
	keepBusy(t, cfg)
	loseSpans(t, meters)
	srv := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// loseSpans counts what otelsetup would, whose exporter this process does without.
func loseSpans(t *testing.T, meters *sdkmetric.MeterProvider) {
	t.Helper()
	lost, err := meters.Meter("e2e/dashboards").Int64Counter(taskconv.OTelSpansDropped, metric.WithUnit("{span}"))
	if err != nil {
		t.Fatal(err)
	}
	lost.Add(t.Context(), 512)
}

// places is small, so that the queue can be filled.
const places = 200

// loseTasks has a runtime shut down that has no time for it: one task that waits is
// dropped because it isn't shielded, another although it is.
func loseTasks(t *testing.T, cfg postlude.Config) {
	t.Helper()
	cfg.Workers = 1
	rt := newRuntime(t, cfg)
	ctx := rt.Context(t.Context())
	leave := make(chan struct{})
	shielded := postlude.Shield(true)
	running := schedule(t, ctx, postlude.Func("lost", func(context.Context) error { <-leave; return nil }), shielded)
	<-running.Started()
	schedule(t, ctx, postlude.Func("lost", nothing), shielded)
	schedule(t, ctx, postlude.Func("lost", nothing), postlude.Delay(time.Hour))
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rt.Shutdown(now); err == nil {
		t.Error("a shutdown without any time reports no error")
	}
	close(leave)
	<-running.Done()
}

func newRuntime(t *testing.T, cfg postlude.Config) *postlude.Runtime {
	t.Helper()
	rt, err := postlude.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

func schedule(t *testing.T, ctx context.Context, job postlude.Job, opts ...postlude.Option) postlude.Run {
	t.Helper()
	run, err := postlude.Go(ctx, job, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// keepBusy has a runtime run, until the test ends, one task of each kind every few
// milliseconds, and now and then more than its queue takes.
func keepBusy(t *testing.T, cfg postlude.Config) {
	t.Helper()
	cfg.Engine = durabletest.NewEngine()
	cfg.Tasks = []postlude.Definition{invoice, deadLetter}
	rt := newRuntime(t, cfg)
	ctx, cancel := context.WithCancel(rt.Context(context.Background()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		everything(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := rt.Shutdown(end); err != nil {
			t.Error(err)
		}
	})
}

func everything(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// A full queue refuses some: that is what the metric of rejections is for.
		for _, job := range kinds {
			_, _ = postlude.Go(ctx, job)
		}
		for fate := range 3 {
			if run, err := postlude.Go(ctx, various.With(fate)); err == nil && fate == 2 {
				run.Cancel()
			}
		}
		if n%100 != 10 { // every two seconds
			continue
		}
		for range places + 10 {
			_, _ = postlude.Go(ctx, postlude.Func("crowd", nothing), postlude.Delay(200*time.Millisecond))
		}
	}
}

var errBroken = errors.New("broken")

func nothing(context.Context) error { return nil }

func broken(context.Context, int) error { return errBroken }

func untilDone(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

type silent struct{}

func (silent) Notify(context.Context, *postlude.Failure) error { return nil }

var (
	invoice    = postlude.Define("invoice", func(context.Context, int) error { return nil }, postlude.Durable())
	deadLetter = postlude.Define("dead_letter", broken, postlude.Durable())
	rescuer    = postlude.Define("rescuer", func(context.Context, int) error { return nil })
)

// various is a single task to which everything happens that a failure ratio tells apart.
var various = postlude.Define("various", func(ctx context.Context, fate int) error {
	switch fate {
	case 0:
		return nil
	case 1:
		return errBroken
	default:
		return untilDone(ctx)
	}
})

// kinds are the tasks that a busy runtime runs, each for something that metrics tell.
var kinds = []postlude.Job{
	postlude.Define("fine", func(context.Context, int) error { return nil }).With(1),
	postlude.Define("panicking", func(context.Context, int) error { panic("no") }).With(1),
	postlude.Define("slow", func(ctx context.Context, _ int) error { return untilDone(ctx) }, postlude.Timeout(2*time.Millisecond)).With(1),
	postlude.Define("flaky", broken, postlude.OnError(postlude.Retry{Max: 1, Base: time.Millisecond})).With(1),
	postlude.Define("escalated", broken, postlude.OnError(postlude.Escalate(silent{}))).With(1),
	postlude.Define("rescued", broken).Fallback(rescuer).With(1),
	postlude.Define("handled", broken, decide(postlude.Handled)).With(1),
	postlude.Define("dropped", broken, decide(postlude.Drop)).With(1),
	postlude.Define("careless", broken, postlude.OnError(postlude.HandlerFunc("careless",
		func(context.Context, *postlude.Failure) postlude.Verdict { panic("no") }))).With(1),
	invoice.With(1),
	deadLetter.With(1),
}

func decide(v postlude.Verdict) postlude.Option {
	return postlude.OnError(postlude.HandlerFunc("decide",
		func(context.Context, *postlude.Failure) postlude.Verdict { return v }))
}
