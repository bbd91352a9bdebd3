package postlude

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/runtime/durable"
)

// DeadLetters are the durable tasks that failed for good: no handler retried them, or none
// any more, or nobody could read them. They stay in the queue of the engine until somebody
// decides. All methods ask the engine, and so may block for as long as its database does,
// or ctx lets it; without an engine they fail with ErrNoEngine.
type DeadLetters struct{ rt *Runtime }

// DeadLetters gives access to the dead letters of Config.Engine, whichever process they
// are from.
func (rt *Runtime) DeadLetters() DeadLetters { return DeadLetters{rt} }

// DeadLetter describes a durable task that failed for good.
type DeadLetter struct {
	ID string // the queue's: what Get, Retry and Discard ask for
	// Task is what is known of the task; its ID is "" if the envelope can't be read. Func
	// is known for those in Config.Tasks.
	Task  TaskInfo
	Queue string
	// Args are the arguments as telemetry shows them: JSON, with secrets masked. Of a task
	// that is not in Config.Tasks, this process can't know what is secret, and masks all
	// values.
	Args      string
	Kind      Kind   // of the last failure; "" if unknown
	ErrorType string // of the last failure; "" if unknown
	Message   string
	Enqueued  time.Time
	Failed    time.Time
	// History are the attempts that failed, as far as the task remembers them.
	History     []FailedAttempt
	SpanContext trace.SpanContext // of the last attempt
	TraceURL    string            // by Config.TraceURL; "" without that
}

// StateDead is TaskInfo.State of a dead letter.
const StateDead = "dead"

// List returns dead letters, the latest first. Query.Before is the ID of the last one of
// the page before.
func (d DeadLetters) List(ctx context.Context, q durable.Query) ([]DeadLetter, error) {
	if d.rt.cfg.Engine == nil {
		return nil, ErrNoEngine
	}
	stored, err := d.rt.cfg.Engine.DeadLetters(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("postlude: listing dead letters: %w", err)
	}
	list := make([]DeadLetter, len(stored))
	for i, l := range stored {
		list[i] = d.rt.deadLetter(l)
	}
	return list, nil
}

// Get returns one dead letter; the error is durable.ErrNotFound if there is none of the id.
func (d DeadLetters) Get(ctx context.Context, id string) (DeadLetter, error) {
	if d.rt.cfg.Engine == nil {
		return DeadLetter{}, ErrNoEngine
	}
	l, err := d.rt.cfg.Engine.DeadLetter(ctx, id)
	if err != nil {
		return DeadLetter{}, fmt.Errorf("postlude: dead letter %q: %w", id, err)
	}
	return d.rt.deadLetter(l), nil
}

// Retry puts a dead letter back into its queue. Its attempts count from one again, so that
// its handlers retry it as they did at first; the trace goes on. The error is
// durable.ErrNotFound if there is none of the id.
func (d DeadLetters) Retry(ctx context.Context, id string) error {
	return d.act(id, "retrying", func(e durable.Engine) error { return e.Retry(ctx, id) })
}

// Discard deletes a dead letter. The error is durable.ErrNotFound if there is none of the
// id.
func (d DeadLetters) Discard(ctx context.Context, id string) error {
	return d.act(id, "discarding", func(e durable.Engine) error { return e.Discard(ctx, id) })
}

func (d DeadLetters) act(id, doing string, do func(durable.Engine) error) error {
	if d.rt.cfg.Engine == nil {
		return ErrNoEngine
	}
	if err := do(d.rt.cfg.Engine); err != nil {
		return fmt.Errorf("postlude: %s dead letter %q: %w", doing, id, err)
	}
	return nil
}

// deadLetter reads what is stored, as far as it can be read.
func (rt *Runtime) deadLetter(l durable.DeadLetter) DeadLetter {
	e, _ := durable.Decode(l.Envelope)
	d := DeadLetter{
		ID: l.ID, Queue: l.Queue, Message: l.Error, Enqueued: l.Enqueued, Failed: l.Failed,
		Task: TaskInfo{Name: l.Task, ID: e.ID, Timing: e.Timing, Attempt: l.Attempt, State: StateDead},
		Args: rt.storedArgs(l.Task, l.Args),
	}
	if ps := rt.known[l.Task]; ps != nil {
		d.Task.Func, d.Task.Shield = ps.function, ps.base.shield
	}
	if e.Shield != nil {
		d.Task.Shield = *e.Shield
	}
	d.History, d.SpanContext = recall(l.State).restore()
	d.TraceURL = rt.traceURL(d.SpanContext)
	if n := len(d.History); n > 0 {
		d.Kind, d.ErrorType = d.History[n-1].Kind, d.History[n-1].ErrorType
	}
	return d
}

// storedArgs renders arguments that are stored in the clear.
func (rt *Runtime) storedArgs(task string, data json.RawMessage) string {
	if ps := rt.known[task]; ps != nil {
		var args any
		var err error
		if p := panics.Try(func() { args, err = ps.def.decode(data) }); p == nil && err == nil {
			return rt.render.JSON(args).String()
		}
	}
	var args any
	if json.Unmarshal(data, &args) != nil {
		return `"(not JSON)"`
	}
	return rt.render.JSON(masked(args)).String()
}

// masked keeps the shape of a JSON value and hides what is in it.
func masked(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = masked(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = masked(v[i])
		}
		return v
	case nil:
		return nil
	}
	return render.Redacted
}
