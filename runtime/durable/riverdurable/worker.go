package riverdurable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable/internal/metadata"
)

// given is what River has of the arguments of an attempt, for all tasks: nothing, as the
// flight has them, and then the row.
type given struct {
	kind  string
	retry *time.Duration // of an attempt that wants another, for worker.NextRetry
}

// Kind is also what River calls first, and last before its calls get deep, on a new goroutine
// for each job. A stack of 2 KiB would be doubled twice then, and all that is on it adjusted.
// What Kind makes room for has it grow once, while there is little on it.
func (g given) Kind() string {
	var room [stackRoom]byte
	runtime.KeepAlive(&room)
	return g.kind
}

// stackRoom is too much for 4 KiB, with what is on the stack of River's goroutine and what Go
// keeps free.
const stackRoom = 2560

func (*given) UnmarshalJSON([]byte) error { return nil }

// worker is River's worker of all tasks of a session.
type worker struct {
	do       func(ctx context.Context, d durable.Delivery) durable.Outcome
	flights  *flights
	stopping <-chan struct{}
	log      *slog.Logger
}

// outcomeError is how River is told to try again or to give up.
type outcomeError struct{ text string }

func (e *outcomeError) Error() string { return e.text }

func (w *worker) Middleware(*rivertype.JobRow) []rivertype.WorkerMiddleware { return nil }

// Timeout is none: the runtime has its own.
func (w *worker) Timeout(*river.Job[given]) time.Duration { return -1 }

// NextRetry counts from now: River refuses a time that is over.
func (w *worker) NextRetry(job *river.Job[given]) time.Time {
	if job.Args.retry == nil {
		return time.Time{} // Do has panicked, which it must not: slowly has its say
	}
	return time.Now().Add(max(*job.Args.retry, 0))
}

func (w *worker) Work(ctx context.Context, job *river.Job[given]) error {
	defer w.flights.end(job.ID)
	out := w.attempt(ctx, job.JobRow, nil)
	if err := w.setMetadata(ctx, job.ID, out); err != nil {
		return err
	}
	return apply(job, out)
}

// attempt calls Do with a context that the session, too, can cancel. unread is why River
// could not read the row. What Do panics with, which it must not, River stores as the text of
// an error.
func (w *worker) attempt(ctx context.Context, row *rivertype.JobRow, unread error) durable.Outcome {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.flights.begin(row, cancel)
	select {
	case <-w.stopping: // fetched at the last moment
		if unread == nil {
			return durable.Outcome{}
		}
	default:
	}
	defer func() {
		if v := recover(); v != nil {
			panic(storable(fmt.Sprint(v)))
		}
	}()
	return w.do(own, deliveryOf(row, unread))
}

// meaning translates what River cancels the context of a job with.
func meaning(cause error) error {
	if errors.Is(cause, rivertype.ErrJobCancelledRemotely) {
		return durable.ErrCanceled
	}
	return cause
}

// setMetadata has River store what the outcome leaves for later, whatever its action. A
// State that is none would have the database refuse it all.
func (w *worker) setMetadata(ctx context.Context, id int64, out durable.Outcome) error {
	if out.Action == durable.Requeue {
		return nil
	}
	if out.Verdict != "" {
		if err := river.MetadataSet(ctx, metadata.KeyVerdict, storable(out.Verdict)); err != nil {
			return err
		}
	}
	if out.State == nil {
		return nil
	}
	if !json.Valid(out.State) {
		w.log.LogAttrs(ctx, slog.LevelError, "riverdurable: the State of an Outcome is no JSON: the job keeps the one before. That is a bug of who made it",
			slog.Int64("job", id), slog.String("state", storable(string(out.State))))
		return nil
	}
	return river.MetadataSet(ctx, metadata.KeyState, string(out.State))
}

// apply returns what makes River do what the outcome wants. It reads the number of the
// attempt and the allowed ones from the row it has in memory, so that they can be set there.
func apply(job *river.Job[given], out durable.Outcome) error {
	switch out.Action {
	case durable.Done:
		return nil
	case durable.Retry:
		if job.Attempt < maxAttempts {
			job.MaxAttempts = maxAttempts
		}
		delay := out.Delay // a copy: out itself need not be on the heap
		job.Args.retry = &delay
		return &outcomeError{storable(out.Error)}
	case durable.Fail:
		job.MaxAttempts = job.Attempt
		return &outcomeError{storable(out.Error)}
	case durable.Cancel:
		return river.JobCancel(&outcomeError{storable(out.Error)})
	default: // Requeue, and what is unknown: nothing is lost
		return river.JobSnooze(0)
	}
}

// HandleError is called for outcomes, too; what else it is called for is a row that River
// could not read. The runtime is told, so that somebody looks at it.
func (w *worker) HandleError(ctx context.Context, row *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	if outcome := (*outcomeError)(nil); errors.As(err, &outcome) {
		return nil
	}
	defer w.flights.end(row.ID)
	if row.Attempt < maxAttempts {
		row.MaxAttempts = maxAttempts // it is kept
	}
	w.attempt(ctx, row, fmt.Errorf("riverdurable: reading job %d: %w", row.ID, err))
	return nil
}

func (w *worker) HandlePanic(ctx context.Context, row *rivertype.JobRow, value any, _ string) *river.ErrorHandlerResult {
	return w.HandleError(ctx, row, fmt.Errorf("panic: %v", value))
}

// slowly is when a row that could not be read is tried again: after a minute, then twice
// as long each time, up to an hour.
type slowly struct{}

func (slowly) NextRetry(row *rivertype.JobRow) time.Time {
	wait := time.Hour
	if n := row.Attempt - 1; n >= 0 && n < 6 {
		wait = time.Minute << n
	}
	return time.Now().Add(wait)
}
