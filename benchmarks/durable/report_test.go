package main

import (
	"strings"
	"testing"

	"github.com/postlude/postlude/benchmarks/internal/figures"
)

// TestVerdict has ratios that are paired by rounds: Postlude wins each of them, though its
// median is the lower one.
func TestVerdict(t *testing.T) {
	r := report{scale: scale{rounds: 3, rates: []int{50}}, backends: []string{"X"}, results: results{
		{"X", "Insert, 1 goroutine", riverSame.name}:       {{100, 10}, {200, 10}, {300, 10}},
		{"X", "Insert, 1 goroutine", postludeFull.name}:    {{110, 15}, {190, 15}, {330, 15}},
		{"X", "Enqueue to start, 50/s", riverSame.name}:    {{10, 20}, {10, 20}, {10, 20}},
		{"X", "Enqueue to start, 50/s", postludeFull.name}: {{10, 30}, {10, 30}, {10, 30}},
		{"X", workName, riverDefaults.name}:                {{990, 10}, {991, 10}, {992, 10}},
		{"X", workName, postludeFull.name}:                 {{1500, 10}, {1500, 10}, {1500, 10}},
	}}
	all := r.comparisons("X")
	if len(all) != 6 {
		t.Fatalf("%d comparisons, want 6: %+v", len(all), all)
	}
	if c := all[0]; !c.met() || c.ratio != (figures.Spread{Median: 1.1, Low: 0.95, High: 1.1}) {
		t.Errorf("the first is %+v", c)
	}
	if c := all[5]; c.met() || c.target() != "≤ 1.2: MISSED" {
		t.Errorf("p99 is %+v", c)
	}
	reading := strings.Join(r.reading(), "\n")
	for _, want := range []string{"that with raw River, and +5 µs (insert, 1 goroutine)", "**Target missed**: X, Enqueue to start, 50/s, p99, ms: the ratio is 1.50 (≤ 1.2)", "1,500 jobs/s and River 991", "**not far above that**"} {
		if !strings.Contains(reading, want) {
			t.Errorf("the reading lacks %q:\n%s", want, reading)
		}
	}
}
