package figures

import (
	"strings"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, Spread{3, 1, 9}},
	} {
		if got := SpreadOf(tc.values); got != tc.want {
			t.Errorf("SpreadOf(%v) = %v, want %v", tc.values, got, tc.want)
		}
	}
}

func TestRatios(t *testing.T) {
	got := Ratios([]float64{1, 4, 9}, []float64{2, 2})
	if len(got) != 2 || got[0] != 0.5 || got[1] != 2 {
		t.Errorf("the ratios are %v, want 0.5 and 2: a round that only one has says nothing", got)
	}
}

func TestPercentile(t *testing.T) {
	thousand := make([]time.Duration, 1000)
	for i := range thousand {
		thousand[i] = time.Duration(i + 1)
	}
	for p, want := range map[float64]time.Duration{0: 1, 1: 10, 50: 500, 99: 990, 99.9: 999, 100: 1000} {
		if got := Percentile(thousand, p); got != want {
			t.Errorf("p%v of 1 to 1000 is %d, want %d", p, got, want)
		}
	}
	if got := Percentile(thousand[:3], 99); got != 3 {
		t.Errorf("p99 of 1 to 3 is %d, want 3", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0.123: "0.12", 12.34: "12.3", 123.4: "123", 1234.5: "1,234", 1234567: "1,234,567"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	table := Table{Head: []string{"who", "µs"}}
	table.Add("hand", "1,234")
	want := "| who  |    µs |\n| ---- | ----: |\n| hand | 1,234 |\n"
	if got := table.String(); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, strings.TrimSpace(want))
	}
}
