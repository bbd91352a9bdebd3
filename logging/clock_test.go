package logging

import (
	"sync"
	"testing"
	"time"
)

// FuzzClock: what is kept of a second fits the time that is written.
func FuzzClock(f *testing.F) {
	f.Add(int64(0), int64(0), int64(1), int64(999_999_999), 0)
	f.Add(int64(1_764_000_000), int64(123_000_000), int64(1_764_000_000), int64(100), 3600)
	f.Add(int64(-62_135_596_800), int64(1), int64(253_402_300_799), int64(10), -12*3600)
	f.Fuzz(func(t *testing.T, sec1, ns1, sec2, ns2 int64, offset int) {
		var c clock
		zone := time.FixedZone("", offset%86400)
		for _, at := range []time.Time{
			time.Unix(sec1, ns1), time.Unix(sec2, ns2), time.Unix(sec1, ns2), time.Unix(sec1, ns2).In(zone), time.Unix(sec1, ns1).UTC(),
		} {
			if y := at.Year(); y < 0 || y > 9999 {
				continue // HandleTask leaves them to slog
			}
			if got, want := string(c.append([]byte("at "), at)), at.AppendFormat([]byte("at "), time.RFC3339Nano); got != string(want) {
				t.Errorf("%s, and not %s", got, want)
			}
		}
	})
}

// TestClockConcurrentSafe: records come from many goroutines, and not in order.
func TestClockConcurrentSafe(t *testing.T) {
	var c clock
	var wg sync.WaitGroup
	start := time.Unix(1_764_000_000, 0)
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				at := start.Add(time.Duration(i*(g+1)) * 7 * time.Millisecond)
				if got := string(c.append(nil, at)); got != at.Format(time.RFC3339Nano) {
					t.Errorf("%s, and not %s", got, at.Format(time.RFC3339Nano))
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkClock(b *testing.B) {
	var c clock
	at, line := time.Now(), make([]byte, 0, 64)
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			c.append(line, at)
		}
	})
	b.Run("AppendFormat", func(b *testing.B) {
		for b.Loop() {
			at.AppendFormat(line, time.RFC3339Nano)
		}
	})
}
