package postlude_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// TestDurableStorm: two runtimes share an engine and are shut down again and again, some
// with no time at all, while tasks succeed, fail, panic, exit, retry and fall back. No
// task is lost, none is a dead letter because it was interrupted, and all gauges come
// back to zero.
func TestDurableStorm(t *testing.T) {
	const rounds, each = 40, 20
	s := &storm{done: map[string]bool{}}
	e := durabletest.NewEngine()
	cfg := postlude.Config{Engine: e, Workers: 8, Tasks: []postlude.Definition{s.retried(), s.fallenBack()}, Logger: quiet}
	for range rounds {
		s.round(t, cfg, each)
	}
	cfg.MeterProvider = nil
	last, err := postlude.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Idle(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := last.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	dead, err := e.DeadLetters(t.Context(), durable.Query{Limit: rounds * each})
	if err != nil || len(s.done)+len(dead) != rounds*each {
		t.Errorf("%d done, %d dead of %d, %v", len(s.done), len(dead), rounds*each, err)
	}
	for _, l := range dead {
		if !strings.Contains(l.Error, "alt failed") {
			t.Errorf("it had not failed, but was interrupted: %s", l.Error)
		}
	}
}

type storm struct {
	mu    sync.Mutex
	done  map[string]bool
	total int
}

func (s *storm) ok(b bill) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[b.Order] = true
	return nil
}

func (s *storm) alt(ctx context.Context, b bill) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
	}
	if rand.IntN(3) == 0 {
		return errors.New("alt failed")
	}
	return s.ok(b)
}

// retried fails in all ways, and is retried until it does not.
func (s *storm) retried() *postlude.Task[bill] {
	return postlude.Define("retried", func(ctx context.Context, b bill) error {
		select {
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-time.After(rand.N(3 * time.Millisecond)):
		}
		switch rand.IntN(6) {
		case 0:
			return errBoom
		case 1:
			panicHere()
		case 2:
			goexit()
		case 3:
			return context.Canceled
		}
		return s.ok(b)
	}, postlude.Durable(), postlude.OnError(verdict("again", postlude.RetryAfter(time.Millisecond), new(tracer))))
}

// fallenBack fails, and has a fallback that may fail, too.
func (s *storm) fallenBack() *postlude.Task[bill] {
	alt := postlude.Define("alt", s.alt)
	return postlude.Define("fallen_back", func(context.Context, bill) error { return errBoom },
		postlude.Durable(), postlude.Shield(true), postlude.OnError(
			postlude.HandlerFunc("either", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
				if b, _ := postlude.ArgsOf[bill](f); rand.IntN(2) == 0 {
					return postlude.FallbackTo(alt.With(b))
				}
				return postlude.RetryAfter(time.Millisecond)
			})))
}

func (s *storm) round(t *testing.T, cfg postlude.Config, n int) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	cfg.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	var rts [2]*postlude.Runtime
	for i := range rts {
		rt, err := postlude.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		rts[i] = rt
	}
	for range n {
		task := cfg.Tasks[s.total%2].(*postlude.Task[bill])
		accepted(t)(postlude.Go(rts[0].Context(t.Context()), task.With(bill{Order: strconv.Itoa(s.total)})))
		s.total++
	}
	some, cancel := context.WithTimeout(t.Context(), rand.N(10*time.Millisecond))
	defer cancel()
	for _, rt := range rts {
		report, err := rt.Shutdown(some)
		if err != nil {
			report, err = rt.Shutdown(t.Context())
		}
		if c := report.Counts; err != nil || c.Running+c.Pending+c.Retrying+c.Canceled+c.Dropped != 0 {
			t.Errorf("%v, %+v", err, c)
		}
	}
	checkGauges(t, reader)
}

// checkGauges: nothing is pending or active any more.
func checkGauges(t *testing.T, reader *sdkmetric.ManualReader) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
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
