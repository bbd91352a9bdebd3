package postlude

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestQuantileIsExactToASixteenth, over all magnitudes, and monotonic.
func TestQuantileIsExactToASixteenth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d Distribution
	var all []time.Duration
	for range 10_000 {
		v := time.Duration(1<<minShift + r.Int64N(1<<(11+r.IntN(maxShift-11))))
		all = append(all, v)
		d.Observe(v)
	}
	slices.Sort(all)
	for _, q := range []float64{0, .01, .5, .95, .99, 1} {
		want := all[max(0, int(q*float64(len(all)))-1)]
		got := d.Quantile(q)
		if diff := (got - want).Abs(); diff > want/16+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

// TestDistributionBounds: nothing falls out of the buckets, and an empty one is no trouble.
func TestDistributionBounds(t *testing.T) {
	var d Distribution
	if d.Quantile(.5) != 0 || d.Mean() != 0 {
		t.Error("an empty one has values")
	}
	for _, v := range []time.Duration{-1, 0, 1, 1<<minShift - 1, 1 << minShift, 1<<maxShift - 1, 1 << maxShift, 1<<63 - 1} {
		if b := bucket(v); b < 0 || b >= nBuckets {
			t.Errorf("%v is in bucket %d", v, b)
		}
		d.Observe(v)
	}
	if d.Count != 8 || d.buckets[0] != 5 || d.buckets[nBuckets-1] != 3 {
		t.Errorf("%d, first %d, last %d", d.Count, d.buckets[0], d.buckets[nBuckets-1])
	}
	for i := range nBuckets {
		if bucket(middle(i)) != i {
			t.Fatalf("the middle of bucket %d is in bucket %d", i, bucket(middle(i)))
		}
	}
}

// TestDistributionSinceAndAdd are each other's inverse.
func TestDistributionSinceAndAdd(t *testing.T) {
	var r recorder
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				r.observe(time.Duration(i) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	before := r.read()
	r.observe(time.Hour)
	after := r.read()
	diff := after.Since(&before)
	if before.Count != 4000 || diff.Count != 1 || diff.Sum != time.Hour || diff.Quantile(.5) < 55*time.Minute {
		t.Errorf("%d, then %d of %v", before.Count, diff.Count, diff.Sum)
	}
	before.Add(&diff)
	if before != after {
		t.Error("adding the difference does not give the later one")
	}
}
