package taskz

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
)

// failure is what a list shows of a task that failed.
type failure struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	State      string    `json:"state"`
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"`
	ErrorType  string    `json:"error_type"`
	Message    string    `json:"message"`
	Verdict    string    `json:"verdict"`
	Handler    string    `json:"handler"`
	Escalation string    `json:"escalation"`
	Attempts   int       `json:"attempts"`
	TraceID    string    `json:"trace_id"`
	SpanID     string    `json:"span_id"`
	TraceURL   string    `json:"trace_url"`
}

// failureDetail is all that is known of it.
type failureDetail struct {
	failure
	Func    string    `json:"func"`
	Timing  string    `json:"timing"`
	Shield  bool      `json:"shield"`
	Args    string    `json:"args"`
	Stack   string    `json:"stack"`
	History []attempt `json:"history"`
}

// attempt is one that failed.
type attempt struct {
	Attempt    int       `json:"attempt"`
	Fallback   bool      `json:"fallback"`
	Start      time.Time `json:"start"`
	DurationMS float64   `json:"duration_ms"`
	Kind       string    `json:"kind"`
	ErrorType  string    `json:"error_type"`
	Message    string    `json:"message"`
	Verdict    string    `json:"verdict"`
	Handler    string    `json:"handler"`
	TraceID    string    `json:"trace_id"`
	SpanID     string    `json:"span_id"`
}

func failureOf(f *postlude.FailureInfo) failure {
	traceID, spanID := idsOf(f.SpanContext)
	return failure{
		ID: f.ID, Name: shortName(f.Name), State: f.State, Time: f.Time, Kind: string(f.Kind),
		ErrorType: cut(f.ErrorType, maxText), Message: cut(f.Message, maxText), Verdict: f.Verdict,
		Handler: cut(f.Handler, maxText), Escalation: f.Escalation, Attempts: len(f.Attempts),
		TraceID: traceID, SpanID: spanID, TraceURL: webURL(f.TraceURL),
	}
}

func detailOf(f *postlude.FailureInfo) failureDetail {
	d := failureDetail{
		failure: failureOf(f), Func: f.Func, Timing: f.Timing, Shield: f.Shield,
		Args: indent(f.Args), Stack: f.Stack, History: []attempt{},
	}
	d.Message = f.Message
	for _, a := range f.Attempts {
		traceID, spanID := idsOf(a.SpanContext)
		d.History = append(d.History, attempt{
			Attempt: a.Attempt, Fallback: a.Fallback, Start: a.Start, DurationMS: ms(a.Elapsed), Kind: string(a.Kind),
			ErrorType: cut(a.ErrorType, maxText), Message: a.Message, Verdict: a.Verdict, Handler: cut(a.Handler, maxText),
			TraceID: traceID, SpanID: spanID,
		})
	}
	return d
}

// getFailure answers with one of the failures that the runtime remembers, the newest of
// the id: a durable task may fail for good, be retried by an operator and fail again.
func (h *Handler) getFailure(w http.ResponseWriter, r *http.Request) {
	list := h.fresh().failures
	i := slices.IndexFunc(list, func(f postlude.FailureInfo) bool { return f.ID == r.PathValue("id") })
	if i < 0 {
		fail(w, http.StatusNotFound, "no failure of this id is remembered; the log has its record")
		return
	}
	writeJSON(w, http.StatusOK, detailOf(&list[i]))
}

func idsOf(sc trace.SpanContext) (traceID, spanID string) {
	if !sc.IsValid() {
		return "", ""
	}
	return sc.TraceID().String(), sc.SpanID().String()
}

// indent makes JSON readable. It is done here and not in the browser, which would round
// large numbers. What is no JSON, because it was cut, stays as it is.
func indent(args string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(args), "", "  ") != nil {
		return args
	}
	return b.String()
}
