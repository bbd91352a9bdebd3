// Package durable is what lies between the runtime and a queue that outlives the
// process: a small driver interface, Engine, and the envelope that a task travels in.
//
// Users of durable tasks need three things of it: an Engine to put into Config.Engine
// (riverdurable has one on River), WithTx to enqueue within a transaction, and the
// Options of the queue. The rest is for those who write an Engine; package durabletest
// tells whether it is right.
//
// A durable task runs at least once. A process that dies after the work and before the
// queue has heard of it leaves the job to be run again, so the work must bear that: the
// task's id, which all attempts share, is the key to recognize a repetition by.
package durable

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"
)

// Engine is a durable queue. It stores jobs, delivers each to a Worker that knows its
// task until an Outcome ends it, and lets operators look at it. It knows nothing of
// retries, spans or records: it is told what is to become of a job, and sees to that.
//
// All methods are safe for concurrent use. One Engine may serve several runtimes. Who
// opened it closes it, after the runtimes were shut down.
type Engine interface {
	// Enqueue stores a job. When it returns nil, the job survives a crash, or is part of
	// the transaction of ctx, see WithTx; a transaction of a type that the engine does
	// not know, or that has ended, is an error; so is JSON that the storage can't hold (U+0000,
	// a lone surrogate). If ctx ended and there is an error, nothing was stored, unless the
	// storage does not answer any more. It blocks for as long as the storage takes, or ctx lets
	// it, and then for as long as it takes to know which.
	Enqueue(ctx context.Context, j Job) (Receipt, error)

	// Work begins to deliver jobs to w, and returns when it has; ctx is for the begin
	// only. A job whose task is not in w.Tasks stays for a worker that knows it. Jobs
	// that a process left behind when it died are delivered again, soon.
	Work(ctx context.Context, w Worker) (Session, error)

	// Queues tells how full the queues are. Queues that are empty may be missing.
	Queues(ctx context.Context) ([]QueueStats, error)

	// DeadLetters lists the jobs that ended with Fail, the latest first.
	DeadLetters(ctx context.Context, q Query) ([]DeadLetter, error)
	// DeadLetter returns one of them, or ErrNotFound.
	DeadLetter(ctx context.Context, id string) (DeadLetter, error)
	// Retry makes a dead letter a job again, as if it had not been attempted: its next
	// attempt is the first, and gets the State of its last. ErrNotFound if there is none; if
	// another job has taken its Unique key, another error, and the letter stays.
	Retry(ctx context.Context, id string) error
	// Discard deletes a dead letter. ErrNotFound if there is none.
	Discard(ctx context.Context, id string) error
}

// Session is the work of one Worker.
type Session interface {
	// Stop ends the delivery of further jobs at once. It blocks until all that were
	// delivered are done and their Outcomes stored, or returns ctx.Err() when ctx ends
	// before; a further call waits for the rest. It cancels no job.
	Stop(ctx context.Context) error
}

// Worker is who jobs are delivered to.
type Worker struct {
	Tasks  []string // the names of the tasks it knows
	Queues []string // the queues to take jobs from; none: DefaultQueue. An engine may add some.
	Limit  int      // how many jobs it takes at once, at most, of all queues together

	// Do carries out one attempt. The engine calls it from a goroutine for each job; it
	// does not panic. When ctx is canceled, the attempt is asked to end: if its Cause is
	// ErrCanceled, because the job was canceled; else because it is to be handed back.
	Do func(ctx context.Context, d Delivery) Outcome

	Logger *slog.Logger // for the engine's own lines; never nil
}

// Job is what is stored. Envelope is to be kept as it is, and the engine need not look
// into it. Both JSON values may be stored in any form that keeps their meaning.
type Job struct {
	Task     string          // the name of the task
	Args     json.RawMessage // its arguments: any JSON value
	Envelope json.RawMessage // the rest, a JSON object: see Envelope.Encode
	Options
}

// Receipt tells what became of a job that was enqueued.
type Receipt struct {
	ID string // the engine's own id of the job, or of the one that was there
	// Duplicate: a job of the same task and Unique key was there; this is the envelope of
	// that one, and nothing was stored.
	Duplicate json.RawMessage
}

// Delivery is a job that is to be attempted. Its Queue and Priority are filled in, also if
// it was enqueued without.
type Delivery struct {
	Job
	ID      string          // the engine's own id of the job
	Attempt int             // 1 for the first; those that a crash ended count, those handed back don't
	State   json.RawMessage // of the last Outcome that had one; nil if none did
	Ready   time.Time       // since when it could have been delivered: not before At, or the end of a Delay
	// Err says that the engine could not read what it had stored. The rest is what it
	// could read. The job must be kept.
	Err error
}

// Action says what is to become of a job after an attempt.
type Action uint8

const (
	// Requeue hands the job back, for any worker to take at once. The attempt does not
	// count, and State stays as it was. It is the zero Action: nothing is lost.
	Requeue Action = iota
	// Done ends the job: it succeeded, or its failure was handled.
	Done
	// Retry wants another attempt after Outcome.Delay.
	Retry
	// Fail ends the job as a dead letter, which is kept until an operator decides.
	Fail
	// Cancel ends the job: it was given up, or canceled.
	Cancel
)

// Outcome is what came of an attempt. Of the texts, an engine changes what it can't store
// (U+0000, invalid UTF-8, very long ones), and does what Action says nevertheless.
type Outcome struct {
	Action  Action
	Delay   time.Duration // of Retry; zero or less: at once
	Error   string        // why, for Retry, Fail and Cancel, to be shown to operators
	Verdict string        // what the error handlers decided; "" after a success
	// State is a JSON object for the next attempt, or for who looks at a dead letter. It
	// takes the place of the one before as a whole; nil leaves that. Requeue ignores it.
	State json.RawMessage
}

// QueueStats are the jobs of one queue, by state.
type QueueStats struct {
	Queue     string
	Available int // could be delivered now
	Scheduled int // wait for their time
	Retrying  int // wait for another attempt
	Running   int
	Dead      int // dead letters
	// Oldest is how long the first of the available ones has been waiting.
	Oldest time.Duration
}

// Query selects dead letters. The zero Query selects the latest ones.
type Query struct {
	Task   string // "": of all tasks
	Queue  string // "": of all queues
	Limit  int    // 0: DefaultLimit
	Before string // the id of the last letter of the page before, which should still be there; "": the first page
}

// DefaultLimit is the length of a page of dead letters.
const DefaultLimit = 100

// DeadLetter is a job that ended with Fail.
type DeadLetter struct {
	Delivery
	Enqueued time.Time
	Failed   time.Time
	Error    string // Outcome.Error of the last attempt
}

// What Cause returns of an engine's ctx, and what its errors are.
var (
	// ErrCanceled: somebody canceled the job.
	ErrCanceled = errors.New("durable: the job was canceled")
	// ErrLost: the engine has lost its claim on the job, and another worker may have it.
	ErrLost = errors.New("durable: the connection that held the job was lost")
	// ErrNotFound: there is no dead letter of this id.
	ErrNotFound = errors.New("durable: there is no dead letter of this id")
	// ErrTx: the transaction of the context is of a type that the engine does not know.
	ErrTx = errors.New("durable: the engine can't use this transaction")
)

type txKey struct{}

// WithTx returns a context in which a durable task is enqueued as a part of tx, whatever
// its timing: it runs if tx is committed, and never existed if that is rolled back. The
// type of tx is the engine's: *sql.Tx for SQLite, pgx.Tx for PostgreSQL.
//
// A tx of nil takes the transaction out of the context.
func WithTx(ctx context.Context, tx any) context.Context {
	return context.WithValue(ctx, txKey{}, tx)
}

// TxOf returns the transaction of the context; nil if there is none.
func TxOf(ctx context.Context) any { return ctx.Value(txKey{}) }

type causeKey struct{}

// TranslateCause returns a context from which, and from all that descend from it, Cause has
// the meaning of what they are canceled with: translate gets what context.Cause returns. It
// is for an Engine whose contexts are canceled by a library that does not know ErrCanceled.
// A nil of translate means that it is as it is.
func TranslateCause(ctx context.Context, translate func(cause error) error) context.Context {
	return context.WithValue(ctx, causeKey{}, translate)
}

// Cause returns why an Engine canceled the context of an attempt; nil if it did not.
func Cause(ctx context.Context) error {
	cause := context.Cause(ctx)
	if translate, _ := ctx.Value(causeKey{}).(func(error) error); translate != nil && cause != nil {
		return cmp.Or(translate(cause), cause)
	}
	return cause
}
