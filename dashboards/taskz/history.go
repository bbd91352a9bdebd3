package taskz

import (
	"math"
	"slices"
	"strings"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// The history is kept from New on, so that who is paged at night sees how it began. With
// 1,024 names it takes 4 MB, and the snapshots for the window five times that; with 20
// names, half a megabyte in all.
const (
	step      = 5 * time.Second
	maxPoints = 180 // 15 minutes

	// The window of rates and quantiles: of the snapshots that are kept for it, the oldest
	// is the one to compare with, so it is between 45 and 60 seconds long.
	baseSteps = 3
	maxBases  = 4
)

// series is the history of one name: what ended in each step, and how long it took.
type series struct {
	ended, failed [maxPoints]uint32
	p50, p95, p99 [maxPoints]float32 // milliseconds; NaN: nothing ran
	recent        recent             // the sums of the first two
}

// history holds the last points of all names, and the snapshots that the next ones are
// made from.
type history struct {
	seq     uint64 // of the newest point; 0: there is none
	times   [maxPoints]time.Time
	began   [maxPoints]time.Time // of the step
	overall *series
	tasks   map[string]*series
	last    postlude.Snapshot   // at the newest point
	bases   []postlude.Snapshot // the oldest first, never empty
}

func newHistory(s postlude.Snapshot) *history {
	return &history{overall: newSeries(), tasks: map[string]*series{}, last: s, bases: []postlude.Snapshot{s}}
}

func newSeries() *series {
	s := new(series)
	for i := range maxPoints {
		s.clear(i)
	}
	return s
}

// add makes the point that s ends.
func (h *history) add(s postlude.Snapshot) {
	i := int(h.seq % maxPoints)
	h.seq++
	h.times[i], h.began[i] = s.Time, h.last.Time
	var all postlude.Distribution
	for k := range s.Tasks {
		now, before := &s.Tasks[k], taskIn(h.last, s.Tasks[k].Name)
		if h.tasks[now.Name] == nil {
			h.tasks[now.Name] = newSeries()
		}
		ran := now.Duration.Since(&before.Duration)
		h.tasks[now.Name].set(i, ended(now.Counts)-ended(before.Counts), now.Failed-before.Failed, &ran)
		all.Add(&ran)
	}
	h.overall.set(i, ended(s.Counts)-ended(h.last.Counts), s.Failed-h.last.Failed, &all)
	h.last = s
	if h.seq%baseSteps == 0 {
		if len(h.bases) == maxBases {
			h.bases = slices.Delete(h.bases, 0, 1)
		}
		h.bases = append(h.bases, s)
	}
}

func (s *series) set(i, ended, failed int, ran *postlude.Distribution) {
	s.clear(i)
	s.ended[i], s.failed[i] = uint32(ended), uint32(failed)
	s.recent.Ended += ended
	s.recent.Failed += failed
	if ran.Count > 0 {
		s.p50[i], s.p95[i], s.p99[i] = msAt(ran, 0.5), msAt(ran, 0.95), msAt(ran, 0.99)
	}
}

func (s *series) clear(i int) {
	s.recent.Ended -= int(s.ended[i])
	s.recent.Failed -= int(s.failed[i])
	nan := float32(math.NaN())
	s.ended[i], s.failed[i], s.p50[i], s.p95[i], s.p99[i] = 0, 0, nan, nan, nan
}

func msAt(d *postlude.Distribution, q float64) float32 { return float32(ms(d.Quantile(q))) }

// recentOf is about the tasks of a name in the time of the history.
func (h *history) recentOf(name string) recent {
	if s := h.tasks[name]; s != nil {
		return s.recent
	}
	return recent{}
}

// ended counts the tasks that met their fate.
func ended(c postlude.Counts) int { return c.Succeeded + c.Failed + c.Canceled + c.Dropped }

var none postlude.TaskStats

// taskIn returns the stats of a name, which are sorted by it; zero ones if there are none.
func taskIn(s postlude.Snapshot, name string) *postlude.TaskStats {
	i, ok := slices.BinarySearchFunc(s.Tasks, name, func(t postlude.TaskStats, name string) int {
		return strings.Compare(t.Name, name)
	})
	if !ok {
		return &none
	}
	return &s.Tasks[i]
}
