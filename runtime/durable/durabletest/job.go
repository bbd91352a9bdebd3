package durabletest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// Status is where in its life a job of an Engine is.
type Status string

// The life of a job.
const (
	StatusAvailable Status = "available" // can be delivered
	StatusScheduled Status = "scheduled" // waits for its time
	StatusRetrying  Status = "retrying"  // waits for another attempt
	StatusRunning   Status = "running"
	StatusDone      Status = "done"
	StatusCanceled  Status = "canceled"
	StatusDead      Status = "dead" // a dead letter
)

// pending tells whether there is more to come.
func (s Status) pending() bool {
	return s != StatusDone && s != StatusCanceled && s != StatusDead
}

// JobInfo is what an Engine has of a job.
type JobInfo struct {
	durable.Delivery // Attempt is the number of the last attempt, 0 before the first
	Status           Status
	Enqueued         time.Time
	Ended            time.Time // the zero Time if it has not
	Error            string    // of the last Outcome that ended an attempt
	Verdict          string    // of the same
}

// job is what is stored.
type job struct {
	durable.Job
	id      string
	number  uint64
	status  Status
	attempt int
	state   json.RawMessage
	ready   time.Time

	enqueued, ended time.Time
	err, verdict    string

	tx  *Tx  // whose part it is; nil once that is committed
	run *run // the attempt that may decide on it; nil if there is none
	in  *heap
	at  int // its place in that heap
}

// lane is what jobs share that are delivered to the same sessions.
type lane struct{ queue, task string }

func (j *job) lane() lane { return lane{j.Queue, j.Task} }
func (j *job) key() key   { return key{j.Task, j.Unique} }

func (j *job) delivery() durable.Delivery {
	return durable.Delivery{Job: copied(j.Job), ID: j.id, Attempt: j.attempt, State: bytes.Clone(j.state), Ready: j.ready}
}

func (j *job) info() JobInfo {
	return JobInfo{
		Delivery: j.delivery(), Status: j.status, Enqueued: j.enqueued, Ended: j.ended, Error: j.err, Verdict: j.verdict,
	}
}

func (j *job) letter() durable.DeadLetter {
	return durable.DeadLetter{Delivery: j.delivery(), Enqueued: j.enqueued, Failed: j.ended, Error: j.err}
}

// count adds the job to the figures of its queue.
func (j *job) count(q *durable.QueueStats, now time.Time) {
	switch j.status {
	case StatusAvailable:
		q.Available++
		q.Oldest = max(q.Oldest, now.Sub(j.ready))
	case StatusScheduled:
		q.Scheduled++
	case StatusRetrying:
		q.Retrying++
	case StatusRunning:
		q.Running++
	case StatusDead:
		q.Dead++
	case StatusDone, StatusCanceled:
	}
}

// copied keeps what is stored apart from what others may write to.
func copied(j durable.Job) durable.Job {
	j.Args, j.Envelope = bytes.Clone(j.Args), bytes.Clone(j.Envelope)
	return j
}

func sorted(queues map[string]*durable.QueueStats) []durable.QueueStats {
	var out []durable.QueueStats
	for _, q := range slices.SortedFunc(maps.Values(queues), func(a, b *durable.QueueStats) int {
		return cmp.Compare(a.Queue, b.Queue)
	}) {
		out = append(out, *q)
	}
	return out
}
