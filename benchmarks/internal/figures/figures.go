// Package figures is what the benchmarks have in common when they report: medians and
// ratios of rounds, percentiles, and tables.
package figures

import (
	"slices"
	"time"
)

// Spread is the median of some values, and the extremes.
type Spread struct{ Median, Low, High float64 }

// SpreadOf values, in any order. Of none it is zero.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return Spread{median, s[0], s[len(s)-1]}
}

// Ratios compares round by round: what else the machine did in a round is in both.
func Ratios(of, to []float64) []float64 {
	out := make([]float64, min(len(of), len(to)))
	for i := range out {
		out[i] = of[i] / to[i]
	}
	return out
}

// Percentile is the smallest value that p of a hundred do not exceed. There must be one
// value at least.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	// A thousandth of a percent is more than any sample here resolves, and integers round
	// the same everywhere.
	n := (len(sorted)*int(p*1000) + 99_999) / 100_000
	return sorted[max(0, n-1)]
}
