package taskz

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/postlude/postlude/internal/panics"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
)

// durableState is what the engine said last, and when it was asked.
type durableState struct {
	asked   time.Time
	none    bool // there is no engine
	queues  []queueJSON
	letters []letter
	time    time.Time // of queues and letters
	failure string    // of the last question; "" if it was answered
}

// durableJSON is about the queues of the engine. All processes that share it see the same.
type durableJSON struct {
	Time    *time.Time  `json:"time"` // when the engine answered; null: it has not
	Error   string      `json:"error"`
	Queues  []queueJSON `json:"queues"`
	Letters []letter    `json:"dead_letters"`
}

type queueJSON struct {
	Queue     string  `json:"queue"`
	Available int     `json:"available"`
	Scheduled int     `json:"scheduled"`
	Retrying  int     `json:"retrying"`
	Running   int     `json:"running"`
	Dead      int     `json:"dead"`
	OldestMS  float64 `json:"oldest_ms"`
}

// askEngine has the engine asked, unless that was a moment ago. The caller holds h.mu,
// and does not wait: a database that is away must not hold up the page when it is needed.
func (h *Handler) askEngine(now time.Time) {
	d := &h.durable
	if d.none || h.asking || now.Sub(d.asked) < askpace || h.ctx.Err() != nil {
		return
	}
	d.asked, h.asking = now, true
	go func() {
		queues, letters, err := h.queues()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asking = false
		switch {
		case errors.Is(err, postlude.ErrNoEngine):
			d.none = true
		case err != nil:
			d.failure = cut(err.Error(), maxMessage)
		default:
			d.queues, d.letters, d.time, d.failure = queues, letters, time.Now(), ""
		}
	}()
}

// queues asks for the queues and the first page of dead letters.
func (h *Handler) queues() (queues []queueJSON, letters []letter, err error) {
	ctx, cancel := context.WithTimeout(h.ctx, asktime)
	defer cancel()
	queues = []queueJSON{}
	dead := 0
	var stats []durable.QueueStats
	if p := panics.Try(func() { stats, err = h.rt.Queues(ctx) }); p != nil {
		return nil, nil, p
	}
	if err != nil {
		return nil, nil, err
	}
	for _, q := range stats {
		queues = append(queues, queueJSON{
			cut(q.Queue, maxName), q.Available, q.Scheduled, q.Retrying, q.Running, q.Dead, ms(q.Oldest),
		})
		dead += q.Dead
	}
	letters = []letter{}
	if dead > 0 {
		letters, err = h.letters(ctx, durable.Query{Limit: defaultPage})
	}
	return queues, letters, err
}

// durableJSON is nil if there is no engine. The caller holds h.mu.
func (h *Handler) durableJSON() *durableJSON {
	d := &h.durable
	if d.none || d.time.IsZero() && d.failure == "" {
		return nil
	}
	j := &durableJSON{Error: d.failure, Queues: d.queues, Letters: d.letters}
	if j.Queues == nil {
		j.Queues, j.Letters = []queueJSON{}, []letter{}
	}
	if !d.time.IsZero() {
		j.Time = new(d.time)
	}
	return j
}

// The pages of dead letters.
const (
	defaultPage = 25
	maxPage     = 100
)

// getDeadLetters answers with a page of dead letters: ?before=, limit, task, queue.
func (h *Handler) getDeadLetters(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	q := durable.Query{Task: form.Get("task"), Queue: form.Get("queue"), Before: form.Get("before"), Limit: defaultPage}
	if text := form.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			fail(w, http.StatusBadRequest, "limit: a number from 1 to "+strconv.Itoa(maxPage))
			return
		}
		q.Limit = n
	}
	ctx, cancel := context.WithTimeout(r.Context(), asktime)
	defer cancel()
	list, err := h.letters(ctx, q)
	if err != nil {
		failDurable(w, err)
		return
	}
	page := lettersJSON{Letters: list}
	if len(list) == q.Limit {
		page.Next = list[len(list)-1].ID
	}
	writeJSON(w, http.StatusOK, page)
}

// lettersJSON is a page of dead letters. Next is the ?before= of the page after it; ""
// if there is none.
type lettersJSON struct {
	Letters []letter `json:"dead_letters"`
	Next    string   `json:"next"`
}

func (h *Handler) getDeadLetter(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), asktime)
	defer cancel()
	var l postlude.DeadLetter
	var err error
	if p := panics.Try(func() { l, err = h.rt.DeadLetters().Get(ctx, r.PathValue("id")) }); p != nil {
		err = p
	}
	if err != nil {
		failDurable(w, err)
		return
	}
	writeJSON(w, http.StatusOK, letterDetailOf(&l))
}

func failDurable(w http.ResponseWriter, err error) { fail(w, statusOfError(err), err.Error()) }

// statusOfError is the HTTP status of what an engine says.
func statusOfError(err error) int {
	switch {
	case errors.Is(err, durable.ErrNotFound), errors.Is(err, postlude.ErrNoEngine):
		return http.StatusNotFound
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}
