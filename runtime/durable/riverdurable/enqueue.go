package riverdurable

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivershared/uniquestates"
	"github.com/riverqueue/river/rivershared/util/dbutil"
	"github.com/riverqueue/river/rivertype"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable/internal/metadata"
)

// maxAttempts is the largest that River's column holds. Whether there is another attempt is
// for the runtime to say.
const maxAttempts = 1<<15 - 1

// newJob is what River is given to insert, for all tasks: one Go type, but one River kind
// for each task.
type newJob struct {
	kind string
	json json.RawMessage
	opts durable.Options // for uniqueness
}

func (j newJob) Kind() string { return j.kind }

func (j newJob) MarshalJSON() ([]byte, error) { return j.json.MarshalJSON() }

func (e *engine[TTx]) Enqueue(ctx context.Context, j durable.Job) (durable.Receipt, error) {
	receipt, err := e.enqueue(ctx, j)
	if err != nil {
		return durable.Receipt{}, fmt.Errorf("riverdurable: %w", err) // the runtime says what it was about
	}
	return receipt, nil
}

func (e *engine[TTx]) enqueue(ctx context.Context, j durable.Job) (durable.Receipt, error) {
	if err := e.checkJob(j); err != nil {
		return durable.Receipt{}, err
	}
	meta, err := metadata.Encode(j.Envelope)
	if err != nil {
		return durable.Receipt{}, err
	}
	args := newJob{kind: j.Task, json: j.Args, opts: j.Options}
	opts := &river.InsertOpts{Queue: j.Queue, Priority: j.Priority, ScheduledAt: j.At, Metadata: meta}
	var res *rivertype.JobInsertResult
	switch tx := durable.TxOf(ctx).(type) {
	case nil:
		res, err = e.insert(ctx, args, opts)
	case TTx:
		if v := reflect.ValueOf(tx); v.Kind() == reflect.Pointer && v.IsNil() {
			return durable.Receipt{}, fmt.Errorf("%w: it is a nil %T", durable.ErrTx, tx)
		}
		res, err = e.client.InsertTx(ctx, tx, args, opts)
	default:
		err = fmt.Errorf("%w: it is a %T, and this engine needs a %s", durable.ErrTx, tx, e.txName)
	}
	if err != nil {
		return durable.Receipt{}, err
	}
	if e.exclusive() && durable.TxOf(ctx) == nil && !res.UniqueSkippedAsDuplicate && isDue(res.Job) {
		e.wake(res.Job.Queue)
	}
	receipt := durable.Receipt{ID: idOf(res.Job.ID)}
	if res.UniqueSkippedAsDuplicate {
		receipt.Duplicate, _ = metadata.Decode(res.Job.Metadata)
		if receipt.Duplicate == nil { // it tells that there was a job, whatever that is
			receipt.Duplicate = json.RawMessage("{}")
		}
	}
	return receipt, nil
}

const commitTimeout = 10 * time.Second

// insertTx is River's Insert, but for the end of ctx: once the commit is on its way, it is too
// late to say that nothing was stored, and the answer is waited for.
func (e *engine[TTx]) insertTx(ctx context.Context, args newJob, opts *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	tx, err := e.driver.GetExecutor().Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dbutil.RollbackWithoutCancel(ctx, tx) }() // an error after Commit
	res, err := e.client.InsertTx(ctx, e.driver.UnwrapTx(tx), args, opts)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	return res, tx.Commit(late)
}

var errClosed = errors.New("the engine is closed")

// checkJob finds what the database would refuse, before a transaction is spoiled by it.
func (e *engine[TTx]) checkJob(j durable.Job) error {
	switch {
	case e.closed.Load():
		return errClosed
	case j.Task == "":
		return errors.New("the task has no name")
	case len(j.Task) > durable.MaxTaskName:
		return fmt.Errorf("the name has %d bytes, and River's table takes %d at most", len(j.Task), durable.MaxTaskName)
	case !utf8.ValidString(j.Task) || strings.Contains(j.Task, "\x00"):
		return fmt.Errorf("the name %q has a NUL, or is no UTF-8", j.Task)
	case !json.Valid(j.Args):
		return errors.New("the arguments are no JSON")
	case len(j.Envelope) > 0 && !json.Valid(j.Envelope):
		return errors.New("the envelope is no JSON")
	}
	if e.refuseNUL {
		if err := checkJSONB(j.Args); err != nil {
			return fmt.Errorf("PostgreSQL can't store the arguments: %w", err)
		}
	}
	return j.Check()
}

// insertion completes what River inserts with what its options can't say.
type insertion struct {
	river.MiddlewareDefaults
	sqlite bool
}

// soon is how far ahead River's scheduler looks when it comes by: what is due earlier is
// made available at once, with its time in the future, or it would be late by seconds.
const soon = 5 * time.Second

func (in *insertion) InsertMany(ctx context.Context, many []*rivertype.JobInsertParams, do func(context.Context) ([]*rivertype.JobInsertResult, error)) ([]*rivertype.JobInsertResult, error) {
	for _, params := range many {
		args, ok := params.Args.(newJob)
		if !ok {
			continue
		}
		if in.sqlite && params.EncodedArgs[0] != '{' && params.EncodedArgs[0] != '[' {
			// River's statement for SQLite reads the arguments out of JSON as SQL values, and
			// parses those as JSON again: what is neither object nor array must be a text.
			text, err := json.Marshal(string(params.EncodedArgs))
			if err != nil {
				return nil, err
			}
			params.EncodedArgs = text
		}
		if params.State == rivertype.JobStateScheduled && time.Until(*params.ScheduledAt) < soon {
			params.State = rivertype.JobStateAvailable
		}
		if args.opts.Unique != "" {
			key := sha256.Sum256([]byte(args.kind + "\x00" + args.opts.Unique))
			params.UniqueKey, params.UniqueStates = key[:], untilDone
			if !args.opts.UniqueUntilDone {
				params.UniqueStates = untilDone | whenDone
			}
		}
	}
	return do(ctx)
}

// The states in which a job holds its key, as bits of River's.
var (
	untilDone = uniquestates.UniqueStatesToBitmask([]rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	})
	whenDone = uniquestates.UniqueStatesToBitmask([]rivertype.JobState{rivertype.JobStateCompleted})
)

func isDue(row *rivertype.JobRow) bool {
	return row.State == rivertype.JobStateAvailable && !row.ScheduledAt.After(time.Now())
}
