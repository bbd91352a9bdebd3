package taskz

import (
	"math"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// state is what the page shows, and GET ./ returns as JSON. doc.go tells what the fields
// mean; a test holds it to the names.
type state struct {
	Title      string       `json:"title"`
	Time       time.Time    `json:"time"`
	Started    time.Time    `json:"started"`
	Closing    bool         `json:"closing"`
	Actions    bool         `json:"actions"`
	WindowMS   float64      `json:"window_ms"`
	HistorySeq uint64       `json:"history_seq"`
	Fill       fill         `json:"fill"`
	Overall    taskState    `json:"overall"`
	Tasks      []taskState  `json:"tasks"`
	Running    []status     `json:"running"`
	Backoff    []status     `json:"backoff"`
	Failures   []failure    `json:"failures"`
	Blocked    []string     `json:"blocked_handlers"`
	SpansLost  uint64       `json:"spans_dropped"`
	Durable    *durableJSON `json:"durable"`
}

// fill tells how full the runtime is.
type fill struct {
	Workers      int     `json:"workers"`
	WorkersMax   int     `json:"workers_max"`
	Slots        int     `json:"slots"`
	SlotsMax     int     `json:"slots_max"`
	OldestWaitMS float64 `json:"oldest_wait_ms"`
}

// counts are postlude.Counts.
type counts struct {
	Scheduled int `json:"scheduled"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Canceled  int `json:"canceled"`
	Dropped   int `json:"dropped"`
	Running   int `json:"running"`
	Pending   int `json:"pending"`
	Retrying  int `json:"retrying"`
	Enqueued  int `json:"enqueued"`
	Requeued  int `json:"requeued"`
}

// taskState is about the tasks of one name, or of all.
type taskState struct {
	Name    string `json:"name,omitempty"`
	Counts  counts `json:"counts"`
	Retries uint64 `json:"retries"`
	Window  window `json:"window"`
	Recent  recent `json:"recent"`
}

// window is about the time of state.WindowMS.
type window struct {
	Ended      int       `json:"ended"`
	Failed     int       `json:"failed"`
	Canceled   int       `json:"canceled"`
	Dropped    int       `json:"dropped"`
	Requeued   int       `json:"requeued"`
	Retries    uint64    `json:"retries"`
	RatePerS   float64   `json:"rate_per_s"`
	Duration   quantiles `json:"duration"`
	QueueDelay quantiles `json:"queue_delay"`
}

// recent is about the time of the history.
type recent struct {
	Ended  int `json:"ended"`
	Failed int `json:"failed"`
}

type quantiles struct {
	Count  uint64  `json:"count"`
	MeanMS float64 `json:"mean_ms"`
	P50MS  float64 `json:"p50_ms"`
	P95MS  float64 `json:"p95_ms"`
	P99MS  float64 `json:"p99_ms"`
}

// status is a task that is not over.
type status struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Func    string     `json:"func"`
	Timing  string     `json:"timing"`
	Shield  bool       `json:"shield"`
	Attempt int        `json:"attempt"`
	State   string     `json:"state"`
	Since   *time.Time `json:"since,omitempty"`
	AgeMS   *float64   `json:"age_ms,omitempty"`
	Due     *time.Time `json:"due,omitempty"`
	DueInMS *float64   `json:"due_in_ms,omitempty"`
	Message string     `json:"message,omitempty"`
}

func countsOf(c postlude.Counts) counts { return counts(c) }

func quantilesOf(d *postlude.Distribution) quantiles {
	return quantiles{
		Count: d.Count, MeanMS: ms(d.Mean()),
		P50MS: ms(d.Quantile(0.5)), P95MS: ms(d.Quantile(0.95)), P99MS: ms(d.Quantile(0.99)),
	}
}

// ms is a duration in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

func statusOf(t postlude.TaskStatus, now time.Time) status {
	s := status{
		ID: t.ID, Name: shortName(t.Name), Func: cut(t.Func, maxText), Timing: t.Timing, Shield: t.Shield,
		Attempt: t.Attempt, State: t.State, Message: cut(t.Message, maxText),
	}
	if !t.Since.IsZero() {
		s.Since, s.AgeMS = new(t.Since), new(ms(now.Sub(t.Since)))
	}
	if !t.Due.IsZero() {
		s.Due, s.DueInMS = new(t.Due), new(ms(t.Due.Sub(now)))
	}
	return s
}
