package taskz

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// historyJSON is all points, the oldest first: GET ./history. A name of which nothing
// ended or ran in all that time is not in it.
type historyJSON struct {
	Seq     uint64       `json:"seq"`
	StepMS  float64      `json:"step_ms"`
	Times   []time.Time  `json:"times"`
	Overall seriesJSON   `json:"overall"`
	Tasks   []seriesJSON `json:"tasks"`
}

type seriesJSON struct {
	Name       string `json:"name,omitempty"`
	RatePerS   column `json:"rate_per_s"`
	FailedPerS column `json:"failed_per_s"`
	P50MS      column `json:"p50_ms"`
	P95MS      column `json:"p95_ms"`
	P99MS      column `json:"p99_ms"`
}

// pointJSON is the newest point, as the stream has it. A name of which nothing ended or
// ran is not in it.
type pointJSON struct {
	Seq     uint64                 `json:"seq"`
	Time    time.Time              `json:"time"`
	Overall pointValues            `json:"overall"`
	Tasks   map[string]pointValues `json:"tasks"`
}

type pointValues struct {
	RatePerS   value `json:"rate_per_s"`
	FailedPerS value `json:"failed_per_s"`
	P50MS      value `json:"p50_ms"`
	P95MS      value `json:"p95_ms"`
	P99MS      value `json:"p99_ms"`
}

// value is a number of four digits; null for none. It keeps 1,024 names on the wire small.
type value float32

type column []value

// MarshalJSON never fails.
func (v value) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(v), 'g', 4, 32), nil
}

// newest is the newest point. There is one.
func (h *history) newest() pointJSON {
	i := int((h.seq - 1) % maxPoints)
	p := pointJSON{Seq: h.seq, Time: h.times[i], Overall: h.at(h.overall, i), Tasks: map[string]pointValues{}}
	for name, s := range h.tasks {
		if s.any(i) {
			p.Tasks[shortName(name)] = h.at(s, i)
		}
	}
	return p
}

func (h *history) at(s *series, i int) pointValues {
	secs := h.times[i].Sub(h.began[i]).Seconds()
	return pointValues{
		value(float64(s.ended[i]) / secs), value(float64(s.failed[i]) / secs),
		value(s.p50[i]), value(s.p95[i]), value(s.p99[i]),
	}
}

// any tells whether anything ran or ended in the step.
func (s *series) any(i int) bool { return s.ended[i] > 0 || !math.IsNaN(float64(s.p50[i])) }

func (h *history) json() historyJSON {
	var order []int // of the indices, the oldest first
	for seq := h.seq - min(h.seq, maxPoints); seq < h.seq; seq++ {
		order = append(order, int(seq%maxPoints))
	}
	j := historyJSON{Seq: h.seq, StepMS: ms(step), Times: []time.Time{}, Tasks: []seriesJSON{}}
	for _, i := range order {
		j.Times = append(j.Times, h.times[i])
	}
	j.Overall = h.columns("", h.overall, order)
	for name, s := range h.tasks {
		if slices.ContainsFunc(order, s.any) {
			j.Tasks = append(j.Tasks, h.columns(shortName(name), s, order))
		}
	}
	slices.SortFunc(j.Tasks, func(a, b seriesJSON) int { return strings.Compare(a.Name, b.Name) })
	return j
}

func (h *history) columns(name string, s *series, order []int) seriesJSON {
	j := seriesJSON{Name: name, RatePerS: column{}, FailedPerS: column{}, P50MS: column{}, P95MS: column{}, P99MS: column{}}
	for _, i := range order {
		p := h.at(s, i)
		j.RatePerS, j.FailedPerS = append(j.RatePerS, p.RatePerS), append(j.FailedPerS, p.FailedPerS)
		j.P50MS, j.P95MS, j.P99MS = append(j.P50MS, p.P50MS), append(j.P95MS, p.P95MS), append(j.P99MS, p.P99MS)
	}
	return j
}

func (h *Handler) getHistory(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	j := h.history.json()
	h.mu.Unlock()
	writeJSON(w, http.StatusOK, j)
}
