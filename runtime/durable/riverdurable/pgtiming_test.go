package riverdurable

import (
	"log/slog"
	"slices"
	"testing"
	"time"
)

// TestTiming: whatever the grace, the attempts have two fifths of it to end.
func TestTiming(t *testing.T) {
	t.Parallel()
	for grace, want := range map[time.Duration]timing{
		minGrace:         {heartTimeout: 800 * time.Millisecond, lossAfter: 1100 * time.Millisecond},
		defaultGrace:     {heartTimeout: time.Second, lossAfter: 1500 * time.Millisecond},
		time.Minute:      {heartTimeout: 5 * time.Second, lossAfter: 30500 * time.Millisecond},
		20 * time.Second: {heartTimeout: 4 * time.Second, lossAfter: 7500 * time.Millisecond},
	} {
		got := timingFor(grace)
		if got != want {
			t.Errorf("a grace of %v: %+v", grace, got)
		}
		if canceled := heartbeat + got.heartTimeout + got.lossAfter; canceled > grace*3/5 {
			t.Errorf("a grace of %v: attempts are canceled after %v", grace, canceled)
		}
	}
}

// sweeps has a sweeper see the dead in sweeps that come every so often and take so long, and
// returns after how long it takes the jobs.
func sweeps(s *sweeper, every, take time.Duration) time.Duration {
	lost := time.Now()
	for begun := lost; begun.Before(lost.Add(time.Minute)); begun = begun.Add(every) {
		if slices.Contains(s.count([]string{"dead"}, begun, begun.Add(take)), "dead") {
			return begun.Sub(lost)
		}
	}
	return -1
}

func TestSweepCounts(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, c := range []struct{ every, take, want time.Duration }{
		{1000 * ms, 5 * ms, 6 * time.Second}, // the sixth is the first after the grace
		{800 * ms, 0, 5600 * ms},
		{3500 * ms, 2500 * ms, 14 * time.Second}, // a database that is slow all the time
		{10 * time.Second, 9 * time.Second, 40 * time.Second},
	} {
		s := &sweeper{grace: defaultGrace}
		if got := sweeps(s, c.every, c.take); got != c.want {
			t.Errorf("sweeps every %v that take %v: the jobs are taken after %v", c.every, c.take, got)
		}
	}
}

// TestSweepForgets: who was seen with a lock is not dead, and an outage counts little.
func TestSweepForgets(t *testing.T) {
	t.Parallel()
	s, now := &sweeper{grace: defaultGrace, log: slog.New(slog.DiscardHandler)}, time.Now()
	at := func(after time.Duration, ids ...string) []string {
		return s.count(ids, now.Add(after), now.Add(after))
	}
	at(0, "flaps", "dead")
	at(time.Second, "flaps", "dead")
	at(2*time.Second, "dead")
	if due := at(time.Hour, "flaps", "dead"); due != nil {
		t.Errorf("after an outage %v", due)
	}
	at(time.Hour+time.Second, "flaps", "dead")
	if due := at(time.Hour+2*time.Second, "flaps", "dead"); !slices.Equal(due, []string{"dead"}) {
		t.Errorf("the dead are %v", due)
	}
}
