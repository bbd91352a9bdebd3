package taskz

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/runtime/taskconv"
)

// action is something that a person does to a task, or to a dead letter.
type action struct {
	name   string
	result string // when it is done
	key    string // of the id in the record
	do     func(h *Handler, ctx context.Context, id string) (code int, problem string)
}

var (
	actCancel   = action{"cancel", "canceling", taskconv.TaskID, (*Handler).cancelTask}
	actRetryNow = action{"retry_now", "retrying", taskconv.TaskID, (*Handler).retryTask}
	actRetry    = action{"retry_dead_letter", "requeued", taskconv.TaskJobID, (*Handler).retryLetter}
	actDiscard  = action{"discard_dead_letter", "discarded", taskconv.TaskJobID, (*Handler).discardLetter}
)

// resultJSON is the body of an action that was done.
type resultJSON struct {
	Action string `json:"action"`
	ID     string `json:"id"`
	Result string `json:"result"`
	Who    string `json:"who"`
}

// act carries out an action for those who may. Every try is recorded, refused ones too.
func (h *Handler) act(a action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		who, code, problem := h.admit(r)
		if code == http.StatusOK {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime) // done or not, whether or not somebody waits
			defer cancel()
			if p := panics.Try(func() { code, problem = a.do(h, ctx, id) }); p != nil {
				code, problem = http.StatusInternalServerError, p.Error()
			}
		}
		h.record(r, a, id, who, code, problem)
		if code != http.StatusOK {
			fail(w, code, problem)
			return
		}
		writeJSON(w, code, resultJSON{a.name, id, a.result, who})
	}
}

// admit tells who the request is from, and whether that may act.
func (h *Handler) admit(r *http.Request) (who string, code int, problem string) {
	if h.cfg.Authorize == nil {
		return "", http.StatusForbidden, "actions are off: set taskz.Config.Authorize"
	}
	if err := h.protect.Check(r); err != nil {
		return "", http.StatusForbidden, "not from this page: " + err.Error()
	}
	var err error
	if p := panics.Try(func() { who, err = h.cfg.Authorize(r) }); p != nil {
		return "", http.StatusInternalServerError, "Config.Authorize: " + p.Error()
	}
	if err != nil {
		return who, http.StatusForbidden, err.Error()
	}
	return who, http.StatusOK, ""
}

func (h *Handler) record(r *http.Request, a action, id, who string, code int, problem string) {
	level, result := slog.LevelInfo, a.result
	switch {
	case code == http.StatusForbidden:
		level, result = slog.LevelWarn, taskconv.ActionRefused
	case code != http.StatusOK:
		level, result = slog.LevelWarn, taskconv.ActionFailed
	}
	attrs := []slog.Attr{
		slog.String(taskconv.LogEvent, taskconv.EventAction), slog.String(taskconv.LogAction, a.name),
		slog.String(taskconv.LogActionWho, cut(who, maxText)), slog.String(a.key, cut(id, maxText)),
		slog.String(taskconv.LogActionResult, result),
	}
	if problem != "" {
		attrs = append(attrs, slog.String(taskconv.ExceptionMessage, cut(problem, maxMessage)))
	}
	_ = panics.Try(func() { h.cfg.Logger.LogAttrs(r.Context(), level, "task action", attrs...) })
}

func (h *Handler) cancelTask(_ context.Context, id string) (int, string) {
	run, ok := h.rt.Find(id)
	if !ok {
		return http.StatusNotFound, notFound
	}
	run.Cancel()
	return http.StatusOK, ""
}

func (h *Handler) retryTask(_ context.Context, id string) (int, string) {
	run, ok := h.rt.Find(id)
	if !ok {
		return http.StatusNotFound, notFound
	}
	if !run.RetryNow() {
		return http.StatusConflict, "the task does not wait for another attempt"
	}
	return http.StatusOK, ""
}

const notFound = "no task of this id runs or waits in this process: it is over, or another process's"

func (h *Handler) retryLetter(ctx context.Context, id string) (int, string) {
	return h.letterAction(h.rt.DeadLetters().Retry(ctx, id))
}

func (h *Handler) discardLetter(ctx context.Context, id string) (int, string) {
	return h.letterAction(h.rt.DeadLetters().Discard(ctx, id))
}

// letterAction has the engine asked again, so that the page shows what was done.
func (h *Handler) letterAction(err error) (int, string) {
	h.mu.Lock()
	h.durable.asked = h.durable.asked.Add(-askpace)
	h.mu.Unlock()
	if err != nil {
		return statusOfError(err), err.Error()
	}
	return http.StatusOK, ""
}
