package taskz

import (
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// build makes the state to be shown of a snapshot. The caller holds h.mu.
func (h *Handler) build(s postlude.Snapshot) *state {
	base := h.history.bases[0]
	st := &state{
		Title: h.cfg.Title, Time: s.Time, Started: s.Started, Closing: s.Closing, Actions: h.cfg.Authorize != nil,
		WindowMS: ms(s.Time.Sub(base.Time)), HistorySeq: h.history.seq,
		Fill: fill{
			Workers: s.Workers, WorkersMax: s.MaxWorkers, Slots: s.Slots, SlotsMax: s.MaxSlots,
			OldestWaitMS: ms(s.OldestWait),
		},
		// Lists are never null in JSON.
		Tasks: make([]taskState, 0, len(s.Tasks)), Running: []status{}, Backoff: []status{}, Failures: []failure{},
		Blocked: append([]string{}, s.Blocked...),
		Durable: h.durableJSON(),
	}
	if h.cfg.SpansDropped != nil {
		st.SpansLost = h.cfg.SpansDropped()
	}
	h.buildTasks(st, s, base)
	for _, t := range s.Busy {
		st.Running = append(st.Running, statusOf(t, s.Time))
	}
	for _, t := range s.Backoff {
		st.Backoff = append(st.Backoff, statusOf(t, s.Time))
	}
	for i := range s.Failures {
		st.Failures = append(st.Failures, failureOf(&s.Failures[i]))
	}
	return st
}

// buildTasks makes the rows, and their sum.
func (h *Handler) buildTasks(st *state, s, base postlude.Snapshot) {
	var ran, queued postlude.Distribution
	elapsed := s.Time.Sub(base.Time)
	o := &st.Overall
	for i := range s.Tasks {
		now, before := &s.Tasks[i], taskIn(base, s.Tasks[i].Name)
		duration, delay := now.Duration.Since(&before.Duration), now.QueueDelay.Since(&before.QueueDelay)
		t := taskState{
			Name: shortName(now.Name), Counts: countsOf(now.Counts), Retries: now.Retries,
			Window: windowOf(now.Counts, before.Counts, elapsed), Recent: h.history.recentOf(now.Name),
		}
		t.Window.Retries = now.Retries - before.Retries
		t.Window.Duration, t.Window.QueueDelay = quantilesOf(&duration), quantilesOf(&delay)
		st.Tasks = append(st.Tasks, t)
		ran.Add(&duration)
		queued.Add(&delay)
		o.Retries += now.Retries
		o.Window.Retries += t.Window.Retries
	}
	retries := o.Window.Retries
	o.Counts, o.Window, o.Recent = countsOf(s.Counts), windowOf(s.Counts, base.Counts, elapsed), h.history.overall.recent
	o.Window.Retries = retries
	o.Window.Duration, o.Window.QueueDelay = quantilesOf(&ran), quantilesOf(&queued)
}

func windowOf(now, before postlude.Counts, elapsed time.Duration) window {
	w := window{
		Ended: ended(now) - ended(before), Failed: now.Failed - before.Failed, Canceled: now.Canceled - before.Canceled,
		Dropped: now.Dropped - before.Dropped, Requeued: now.Requeued - before.Requeued,
	}
	if elapsed > 0 {
		w.RatePerS = ms(time.Duration(float64(w.Ended) / elapsed.Seconds() * float64(time.Millisecond)))
	}
	return w
}
