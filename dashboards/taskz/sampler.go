package taskz

import (
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// sample is a state as all viewers get it: encoded once, however many there are.
type sample struct {
	time     time.Time
	failures []postlude.FailureInfo
	state    event
	point    event         // the newest point of the history; empty: there is none
	seq      uint64        // its number
	next     chan struct{} // closed when there is a newer sample
}

// sampling is the goroutine that New starts and Close ends. While nobody looks, it takes
// what the history needs, and no more.
func (h *Handler) sampling() {
	defer close(h.sampled)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := time.Duration(1); ; n++ {
		select {
		case <-h.ctx.Done():
			return
		case <-ticker.C:
		}
		full, watched := n%(step/tick) == 0, h.viewers.Load() > 0
		if full || watched {
			h.sample(full, watched)
		}
	}
}

// sample looks at the runtime: for the history, for those who look, or for both.
func (h *Handler) sample(point, publish bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.rt.Snapshot()
	if point {
		h.history.add(s)
	}
	if publish {
		h.publish(s)
	}
}

// fresh returns a sample that is not older than a tick: the one for the viewers, or if
// there are none, a new one.
func (h *Handler) fresh() *sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.latest == nil || time.Since(h.latest.time) > tick {
		h.publish(h.rt.Snapshot())
	}
	return h.latest
}

// current is the newest sample. There is one: the caller has had one already.
func (h *Handler) current() *sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.latest
}

// publish encodes a snapshot and wakes the streams. The caller holds h.mu.
func (h *Handler) publish(s postlude.Snapshot) {
	h.askEngine(s.Time)
	next := &sample{time: s.Time, failures: s.Failures, state: newEvent("state", h.build(s)), seq: h.history.seq, next: make(chan struct{})}
	if next.seq > 0 {
		if h.latest != nil && h.latest.seq == next.seq {
			next.point = h.latest.point
		} else {
			next.point = newEvent("point", h.history.newest())
		}
	}
	if h.latest != nil {
		close(h.latest.next)
	}
	h.latest = next
}
