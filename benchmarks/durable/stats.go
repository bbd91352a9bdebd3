package main

import "slices"

// spread is the median of some values, and the extremes.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return spread{median, s[0], s[len(s)-1]}
}

// column is one figure in all rounds.
func column(rounds [][]float64, figure int) []float64 {
	out := make([]float64, len(rounds))
	for i, values := range rounds {
		out[i] = values[figure]
	}
	return out
}

// ratios compares round by round.
func ratios(of, to []float64) []float64 {
	out := make([]float64, min(len(of), len(to)))
	for i := range out {
		out[i] = of[i] / to[i]
	}
	return out
}
