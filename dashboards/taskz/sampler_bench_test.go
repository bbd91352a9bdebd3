package taskz

import (
	"context"
	"fmt"
	"testing"

	postlude "github.com/postlude/postlude/runtime"
)

// BenchmarkSample is what the page does each second while somebody looks, and for the
// history each five: a snapshot, a point, and the state of it as JSON.
func BenchmarkSample(b *testing.B) {
	for _, names := range []int{20, 1024} {
		b.Run(fmt.Sprint(names), func(b *testing.B) {
			rt, _ := loaded(b)
			for n := range names {
				if _, err := postlude.Go(rt.Context(b.Context()), postlude.Func(fmt.Sprint("task ", n), func(context.Context) error { return nil })); err != nil {
					b.Fatal(err)
				}
			}
			if err := rt.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
			h := New(rt, Config{})
			defer h.Close()
			b.ReportAllocs()
			for b.Loop() {
				h.sample(true, true)
			}
			b.ReportMetric(float64(len(h.latest.state)), "state-bytes")
		})
	}
}
