package riverdurable_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/internal/pgtest"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

// benchmarks runs on both databases. pgtest's servers don't wait for the disk, so that
// what they store is stored faster than in production.
func benchmarks(b *testing.B, run func(b *testing.B, e durable.Engine)) {
	sqlite := func(b *testing.B, opts ...riverdurable.Option) {
		e, err := riverdurable.OpenSQLite(filepath.Join(b.TempDir(), "tasks.db"), opts...)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = e.Close() })
		run(b, e)
	}
	b.Run("SQLite", func(b *testing.B) { sqlite(b) })
	b.Run("SQLite/RelaxedSync", func(b *testing.B) { sqlite(b, riverdurable.RelaxedSync()) })
	b.Run("PostgreSQL", func(b *testing.B) {
		pool, err := pgxpool.New(bg, pgtest.Start(b).URL())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(pool.Close)
		e, err := riverdurable.OpenPostgres(bg, pool)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = e.Close() })
		run(b, e)
	})
}

func BenchmarkEnqueue(b *testing.B) {
	benchmarks(b, func(b *testing.B, e durable.Engine) {
		for b.Loop() {
			if _, err := e.Enqueue(bg, job("task")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWork is of jobs that are there when the session begins, one after the other.
func BenchmarkWork(b *testing.B) {
	benchmarks(b, func(b *testing.B, e durable.Engine) {
		const jobs = 2000
		for range jobs {
			if _, err := e.Enqueue(bg, job("task")); err != nil {
				b.Fatal(err)
			}
		}
		got := make(chan struct{}, jobs)
		begin := time.Now()
		s := serve(b, e, got)
		for range jobs {
			<-got
		}
		if err := s.Stop(bg); err != nil {
			b.Fatal(err)
		}
		rate := jobs / time.Since(begin).Seconds()
		for b.Loop() { // one pass is the measurement
		}
		b.ReportMetric(rate, "jobs/s")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkLatency is the time from an Enqueue to the delivery, in an idle session.
func BenchmarkLatency(b *testing.B) {
	benchmarks(b, func(b *testing.B, e durable.Engine) {
		got := make(chan struct{}, 1)
		s := serve(b, e, got)
		for b.Loop() {
			if _, err := e.Enqueue(bg, job("task")); err != nil {
				b.Fatal(err)
			}
			<-got
		}
		if err := s.Stop(bg); err != nil {
			b.Fatal(err)
		}
	})
}

func serve(b *testing.B, e durable.Engine, got chan<- struct{}) durable.Session {
	s, err := e.Work(bg, durable.Worker{
		Tasks: []string{"task"}, Limit: 200, Logger: discard,
		Do: func(context.Context, durable.Delivery) durable.Outcome {
			got <- struct{}{}
			return durable.Outcome{Action: durable.Done}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}
