package plot

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
)

var chart = Chart{
	Title: `Bytes & "tasks"`, XLabel: "queued <tasks>", YLabel: "bytes", LogX: true, LogY: true,
	Lines: []Line{
		{Name: "by hand", Points: []Point{{1, 100}, {1000, 10_000}}},
		{Name: "Postlude", Points: []Point{{1, 0}, {10, math.NaN()}, {1000, 500}}, Strong: true},
	},
}

// TestWellFormed: what a browser gets has to be XML, whatever the names are.
func TestWellFormed(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(chart.SVG()))
	paths := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			paths++
		}
	}
	if paths != 2 {
		t.Errorf("there are %d lines, want 2", paths)
	}
}

// TestPlaces: points are where their values are, and those without a place are left out.
func TestPlaces(t *testing.T) {
	svg := chart.SVG()
	// The scales go from 1 to 1,000 and from 100 to 10,000: these are corners and the middle.
	top := float64(titleHeight + legendHeight + 12)
	for _, want := range []string{
		fmt.Sprintf("M%d.0 %d.0L%d.0 %.1f", left, height-bottom, width-right, top),
		fmt.Sprintf(`stroke-width="3" d="M%d.0 `, width-right),
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the chart lacks %q:\n%s", want, svg)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tc := range []struct {
		log    bool
		values []float64
		want   []float64
	}{
		{false, []float64{3, 17}, []float64{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}},
		{false, []float64{100}, []float64{0, 20, 40, 60, 80, 100}},
		{false, nil, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{true, []float64{7, 1200}, []float64{1, 10, 100, 1000, 10_000}},
		{true, []float64{10, -5, 0}, []float64{10, 100}},
	} {
		got := newScale(tc.log, 0, 100, tc.values).ticks()
		if fmt.Sprintf("%.3g", got) != fmt.Sprintf("%.3g", tc.want) {
			t.Errorf("the ticks of %v are %v, want %v", tc.values, got, tc.want)
		}
	}
}

func TestTick(t *testing.T) {
	var got []string
	for _, v := range []float64{0, 0.01, 500, 2000, 1_500_000} {
		got = append(got, tick(v))
	}
	if want := []string{"0", "0.01", "500", "2k", "1.5M"}; !reflect.DeepEqual(got, want) {
		t.Errorf("ticks read %q, want %q", got, want)
	}
}
