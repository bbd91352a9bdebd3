package main

import (
	"strings"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, spread{3, 1, 9}},
	} {
		if got := spreadOf(tc.values); got != tc.want {
			t.Errorf("spreadOf(%v) = %v, want %v", tc.values, got, tc.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for p, want := range map[int]time.Duration{1: 1, 50: 50, 99: 99, 100: 100} {
		if got := percentile(hundred, p); got != want {
			t.Errorf("p%d of 1 to 100 is %d, want %d", p, got, want)
		}
	}
	if got := percentile(hundred[:3], 99); got != 3 {
		t.Errorf("p99 of 1 to 3 is %d, want 3", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0.123: "0.12", 12.34: "12.3", 123.4: "123", 1234.5: "1,234", 1234567: "1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
}

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
	if c := all[0]; !c.met() || c.ratio != (spread{1.1, 0.95, 1.1}) {
		t.Errorf("the first is %+v", c)
	}
	if c := all[5]; c.met() || c.target() != "≤ 1.2: MISSED" {
		t.Errorf("p99 is %+v", c)
	}
	reading := strings.Join(r.reading(), "\n")
	for _, want := range []string{"longer than raw River by 5 µs (insert, 1 goroutine)", "**Target missed**: X, Enqueue to start, 50/s, p99, ms: the ratio is 1.50 (≤ 1.2)", "1,500 jobs/s and River 991", "**not far above that**"} {
		if !strings.Contains(reading, want) {
			t.Errorf("the reading lacks %q:\n%s", want, reading)
		}
	}
}
