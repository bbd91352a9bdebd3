package taskz

import (
	"context"
	"time"

	"github.com/postlude/postlude/internal/panics"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
)

// letter is what a list shows of a dead letter.
type letter struct {
	ID        string    `json:"id"` // the queue's
	TaskID    string    `json:"task_id"`
	Name      string    `json:"name"`
	Queue     string    `json:"queue"`
	Kind      string    `json:"kind"`
	ErrorType string    `json:"error_type"`
	Message   string    `json:"message"`
	Attempt   int       `json:"attempt"`
	Enqueued  time.Time `json:"enqueued"`
	Failed    time.Time `json:"failed"`
	TraceID   string    `json:"trace_id"`
	SpanID    string    `json:"span_id"`
	TraceURL  string    `json:"trace_url"`
}

// letterDetail is all that is known of it.
type letterDetail struct {
	letter
	Func    string    `json:"func"`
	Timing  string    `json:"timing"`
	Shield  bool      `json:"shield"`
	Args    string    `json:"args"`
	History []attempt `json:"history"`
}

// letters lists dead letters.
func (h *Handler) letters(ctx context.Context, q durable.Query) (list []letter, err error) {
	var found []postlude.DeadLetter
	if p := panics.Try(func() { found, err = h.rt.DeadLetters().List(ctx, q) }); p != nil {
		return nil, p
	}
	list = []letter{}
	for i := range found {
		list = append(list, letterOf(&found[i]))
	}
	return list, err
}

func letterOf(d *postlude.DeadLetter) letter {
	traceID, spanID := idsOf(d.SpanContext)
	return letter{
		ID: d.ID, TaskID: d.Task.ID, Name: shortName(d.Task.Name), Queue: cut(d.Queue, maxName), Kind: string(d.Kind),
		ErrorType: cut(d.ErrorType, maxText), Message: cut(d.Message, maxText), Attempt: d.Task.Attempt,
		Enqueued: d.Enqueued, Failed: d.Failed, TraceID: traceID, SpanID: spanID, TraceURL: webURL(d.TraceURL),
	}
}

func letterDetailOf(d *postlude.DeadLetter) letterDetail {
	l := letterDetail{
		letter: letterOf(d), Func: d.Task.Func, Timing: d.Task.Timing, Shield: d.Task.Shield,
		Args: indent(cut(d.Args, maxDetail)), History: []attempt{},
	}
	l.Message = cut(d.Message, maxDetail)
	for _, f := range d.History {
		traceID, spanID := idsOf(f.SpanContext)
		l.History = append(l.History, attempt{
			Attempt: f.Attempt, Fallback: f.Fallback, Start: f.Start, DurationMS: ms(f.Elapsed), Kind: string(f.Kind),
			ErrorType: cut(f.ErrorType, maxText), Message: cut(f.Message(), maxMessage), Verdict: f.Verdict,
			Handler: cut(f.Handler, maxText), TraceID: traceID, SpanID: spanID,
		})
	}
	return l
}

// maxDetail bounds the texts of a detail that a queue has kept.
const maxDetail = 16 << 10
