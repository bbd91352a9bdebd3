package taskz

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
)

var load = flag.Duration("load", 300*time.Millisecond, "how long TestLoad keeps up each of its phases; 10s for figures")

type parcel struct {
	Order string
	Cents int
}

var names = []string{"send_receipt", "charge", "count_order", "make_thumbnail", "sync_stock", "write_invoice", "notify", "clean_up"}

// loaded has what an observed task costs in production: spans, records and metrics.
func loaded(tb testing.TB) (rt *postlude.Runtime, jobs []postlude.Job) {
	tb.Helper()
	rt, err := postlude.New(postlude.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		Logger:         slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = rt.Shutdown(context.Background()) })
	for _, name := range names {
		jobs = append(jobs, postlude.Define(name, func(context.Context, parcel) error { return nil }).With(parcel{"o-17", 1999}))
	}
	return rt, jobs
}

// watch opens streams over HTTP, and has somebody read them, until the returned function.
func watch(tb testing.TB, url string, viewers int) (leave func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{}
	var reading sync.WaitGroup
	for range viewers {
		r, err := http.NewRequestWithContext(ctx, "GET", url+"/events", nil)
		if err != nil {
			tb.Fatal(err)
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			tb.Fatal(err)
		}
		reading.Go(func() {
			defer res.Body.Close()
			_, _ = io.Copy(io.Discard, res.Body) // it ends with the request's context
		})
	}
	return func() {
		cancel()
		reading.Wait()
		transport.CloseIdleConnections()
	}
}

// BenchmarkHotPath is one task from Go to Done, at most 64 in flight: without a page, with
// one that nobody looks at, and with one in five browsers.
func BenchmarkHotPath(b *testing.B) {
	for _, tc := range []struct {
		name    string
		page    bool
		viewers int
	}{{"none", false, 0}, {"idle", true, 0}, {"viewers=5", true, 5}} {
		b.Run(tc.name, func(b *testing.B) {
			rt, jobs := loaded(b)
			if tc.page {
				h := New(rt, Config{})
				defer h.Close()
				srv := httptest.NewServer(h)
				defer srv.Close()
				defer watch(b, srv.URL, tc.viewers)()
			}
			ctx := rt.Context(context.Background())
			inFlight := make(chan postlude.Run, 64)
			var waiting sync.WaitGroup
			waiting.Go(func() {
				for run := range inFlight {
					<-run.Done()
				}
			})
			n, used := 0, cpu()
			for b.Loop() {
				run, err := postlude.Go(ctx, jobs[n%len(jobs)])
				if err != nil {
					b.Fatal(err)
				}
				inFlight <- run
				n++
			}
			close(inFlight)
			waiting.Wait()
			b.ReportMetric(float64(cpu()-used)/float64(n), "cpu-ns/op")
		})
	}
}

// TestLoad puts 10,000 tasks a second on a runtime, by turns with nobody looking and with
// five streams open. The rate has to be kept, and memory must not grow from turn to turn.
func TestLoad(t *testing.T) {
	const perSecond, turns = 10_000, 6
	rt, jobs := loaded(t)
	h := New(rt, Config{})
	t.Cleanup(h.Close)
	srv := httptest.NewServer(h)
	defer srv.Close()
	var heaps []uint64
	for turn := range turns {
		leave := func() {}
		if turn%2 == 1 {
			leave = watch(t, srv.URL, 5)
		}
		calls := put(t, rt, jobs, perSecond, *load)
		heaps = append(heaps, heap())
		leave()
		took := time.Duration(0)
		for _, d := range calls {
			took += d
		}
		slices.Sort(calls)
		t.Logf("%d viewers: %d tasks, Go takes %v on average, p50 %v, p99 %v; heap %d KiB",
			(turn%2)*5, len(calls), took/time.Duration(len(calls)), calls[len(calls)/2], calls[len(calls)*99/100], heaps[turn]>>10)
	}
	if grown := int64(heaps[turns-1]) - int64(heaps[1]); grown > 2<<20 { // both with viewers
		t.Errorf("the heap has grown by %d KiB: %v", grown>>10, heaps)
	}
	if c := rt.Snapshot().Counts; c.Scheduled < perSecond*turns*int(load.Milliseconds())/1000*9/10 {
		t.Errorf("%d tasks in %v", c.Scheduled, turns**load)
	}
}

// put schedules tasks at a rate for a while, and returns how long each call took.
func put(t *testing.T, rt *postlude.Runtime, jobs []postlude.Job, perSecond int, d time.Duration) (calls []time.Duration) {
	ctx := rt.Context(context.Background())
	calls = make([]time.Duration, 0, int(d.Seconds()*float64(perSecond))+1)
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for start := time.Now(); ; <-ticker.C {
		elapsed := time.Since(start)
		for due := int(min(elapsed, d).Seconds() * float64(perSecond)); len(calls) < due; {
			before := time.Now()
			if _, err := postlude.Go(ctx, jobs[len(calls)%len(jobs)]); err != nil {
				t.Fatal(err)
			}
			calls = append(calls, time.Since(before))
		}
		if elapsed >= d {
			return calls
		}
	}
}

// heap is what is in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what has a finalizer goes in the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
