package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/contend"
)

// TestCores: a ratio belongs to near or far cores if both of its measurements do, from begin
// to end.
func TestCores(t *testing.T) {
	c := costs{tasks: 1, rounds: 6}
	of, to := c.spec(ourPostlude, contend.Sampled, 1), c.spec(contend.ByHand, contend.Sampled, 1)
	r := results{}
	for _, round := range []struct{ cpu, before, after, handBefore, handAfter int }{
		{1, 50, 60, 50, 120},    // near
		{3, 40, 40, 55, 45},     // near
		{20, 250, 240, 300, 90}, // they have moved
		{30, 250, 240, 60, 60},  // between the two
		{4, 250, 240, 200, 121}, // far
		{50, 0, 0, 0, 0},        // but one core
	} {
		v, hand := values{cpuPerTask: float64(round.cpu)}, values{cpuPerTask: 10}
		v.handovers(time.Duration(round.before), time.Duration(round.after))
		hand.handovers(time.Duration(round.handBefore), time.Duration(round.handAfter))
		r[of], r[to] = append(r[of], v), append(r[to], hand)
	}
	for where, want := range map[cores]float64{nearCores: 0.2, farCores: 0.4} {
		if got, ok := r.ratio(of, to, cpuPerTask, where); !ok || got.Median != want {
			t.Errorf("cores %d: %v, %t, want %v", where, got, ok, want)
		}
	}
	if got, ok := r.between(); !ok || got.Low != 40 || got.High != 245 {
		t.Errorf("all cores: %v, %t", got, ok)
	}
	if _, ok := (results{of: {{cpuPerTask: 1}}, to: {{cpuPerTask: 1}}}).ratio(of, to, cpuPerTask, nearCores); ok {
		t.Error("a ratio without cores has some")
	}
}

// TestAwaitNear: the wait is over when the cores are near, when nobody wants it any more, and
// after a minute.
func TestAwaitNear(t *testing.T) {
	for _, c := range []struct {
		near, canceled, want time.Duration
	}{
		{0, time.Hour, 0},
		{2500 * time.Millisecond, time.Hour, 3 * time.Second},
		{time.Hour, 5 * time.Second, 5 * time.Second},
		{time.Hour, time.Hour, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), c.canceled)
			defer cancel()
			awaitNear(ctx, func() time.Duration {
				if time.Since(began) >= c.near {
					return 50
				}
				return 250
			})
			if took := time.Since(began); took != c.want {
				t.Errorf("near after %v, canceled after %v: waited %v, want %v", c.near, c.canceled, took, c.want)
			}
		})
	}
}
