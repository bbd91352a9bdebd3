package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// faulty is a queue in memory that does too little or too much with order 3.
type faulty struct {
	lose, double bool

	mu        sync.Mutex
	available []order
	completed int
	running   sync.WaitGroup
	do        func(order)
}

func (q *faulty) start(_ context.Context, do func(order)) (session, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.do = do
	for len(q.available) > 0 && do != nil {
		q.run(q.available[0])
		q.available = q.available[1:]
	}
	return q, nil
}

func (q *faulty) run(o order) {
	q.completed++
	q.running.Go(func() { q.do(o) })
}

func (q *faulty) enqueue(_ context.Context, o order) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	times := 1
	if o.N == 3 && q.lose {
		times = 0
	} else if o.N == 3 && q.double {
		times = 2
	}
	for range times {
		if q.do == nil {
			q.available = append(q.available, o)
		} else {
			q.run(o)
		}
	}
	return nil
}

func (q *faulty) fill(ctx context.Context, n int) error {
	for i := range n {
		_ = q.enqueue(ctx, newOrder(i)) // has no errors
	}
	return nil
}

func (q *faulty) jobs(_ context.Context, state string) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if state == "available" {
		return len(q.available), nil
	}
	return q.completed, nil
}

func (q *faulty) stop(context.Context) error   { q.running.Wait(); return nil }
func (q *faulty) settle(context.Context) error { return nil }
func (q *faulty) close() error                 { return nil }

// TestFaults shows that a variant which does less than the others, or more, is found out.
func TestFaults(t *testing.T) {
	measurements := map[string]func(context.Context, queue, variant) ([]float64, error){
		"insert": inserting(2, 20), "work": working(20), "latency": lagging(100, 200*time.Millisecond),
	}
	for _, tc := range []struct {
		measurement string
		queue       *faulty
		want        string
	}{
		{"insert", &faulty{}, ""},
		{"insert", &faulty{lose: true}, "38 jobs are in the queue, of 40"}, // the warm-up has a 3, too
		{"insert", &faulty{double: true}, "42 jobs are in the queue, of 40"},
		{"work", &faulty{}, ""},
		{"work", &faulty{lose: true}, "1 of 20 jobs have not run"},
		{"work", &faulty{double: true}, "1 jobs ran more than once"},
		{"latency", &faulty{}, ""},
		{"latency", &faulty{lose: true}, "1 of 20 jobs have not run"},
		{"latency", &faulty{double: true}, "1 jobs ran more than once"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			values, err := measurements[tc.measurement](ctx, tc.queue, postludeFull)
			switch {
			case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s with lose=%t, double=%t: %v, want %q", tc.measurement, tc.queue.lose, tc.queue.double, err, tc.want)
			case tc.want == "" && len(values) != 2:
				t.Errorf("%s: %v, want two figures", tc.measurement, values)
			}
		})
	}
}
