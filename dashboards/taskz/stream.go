package taskz

import (
	"errors"
	"net/http"
	"time"
)

// writeTime is how long a client may take for one write. It is not told of the states
// that it misses meanwhile, and costs a goroutine and its connection's buffer, no more.
const writeTime = 10 * time.Second

// getEvents is the stream of states, as server-sent events: "state" with what GET ./
// returns, each second, and "point" with the newest point of the history, each five.
func (h *Handler) getEvents(w http.ResponseWriter, r *http.Request) {
	if h.ctx.Err() != nil {
		fail(w, http.StatusServiceUnavailable, "the page is closed: the server is shutting down")
		return
	}
	s := stream{w: w, control: http.NewResponseController(w)}
	if err := s.open(); err != nil {
		fail(w, http.StatusNotImplemented, "no stream: a middleware hides http.Flusher: "+err.Error())
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	h.viewers.Add(1)
	defer h.viewers.Add(-1)
	for sample := h.fresh(); s.send(sample) == nil; sample = h.current() {
		select {
		case <-sample.next:
		case <-r.Context().Done():
			return
		case <-h.ctx.Done():
			return
		}
	}
}

// stream is one client's.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	seq     uint64 // of the last point that was sent
}

// open sends the headers. The server's ReadTimeout is for requests, and would end the
// stream; its WriteTimeout gives way to one for each write.
func (s *stream) open() error {
	s.w.Header().Set("Content-Type", typeEvents)
	s.w.Header().Set("X-Accel-Buffering", "no") // or nginx would collect them
	if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := s.deadline(); err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *stream) send(sample *sample) error {
	if err := s.deadline(); err != nil {
		return err
	}
	if sample.seq != s.seq {
		if _, err := s.w.Write(sample.point); err != nil {
			return err
		}
		s.seq = sample.seq
	}
	if _, err := s.w.Write(sample.state); err != nil {
		return err
	}
	return s.control.Flush()
}

// deadline bounds the next write, unless a middleware hides how to.
func (s *stream) deadline() error {
	err := s.control.SetWriteDeadline(time.Now().Add(writeTime))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
