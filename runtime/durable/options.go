package durable

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// DefaultQueue is the queue of jobs that name none.
const DefaultQueue = "default"

// The priorities, and the bounds of names that all engines can store.
const (
	PriorityHighest = 1 // the default
	PriorityLowest  = 4

	MaxTaskName  = 127 // bytes
	MaxQueueName = 64  // bytes
	MaxUniqueKey = 512 // bytes
)

// Options are where and when a job is to be queued.
type Options struct {
	Queue    string    // "": DefaultQueue
	Priority int       // 0: PriorityHighest
	At       time.Time // not before; the zero Time: at once
	// Unique is a key that at most one job of a task has; "": no bound. UniqueUntilDone
	// frees the key when the job ends; else it stays taken for as long as the engine
	// keeps a job that is done.
	Unique          string
	UniqueUntilDone bool
}

// Option is a setting of the queue, for a definition (postlude.Durable) or a single call
// (postlude.Queueing).
type Option func(*Options)

// Queue names the queue. Queues are worked side by side, so that one kind of work can't
// hold up another. The processes that know the task work the queue of its definition; an
// engine has an option for queues that only calls name.
func Queue(name string) Option { return func(o *Options) { o.Queue = name } }

// Priority puts a job before those of a higher number: PriorityHighest (1) to
// PriorityLowest (4).
func Priority(n int) Option { return func(o *Options) { o.Priority = n } }

// At is the earliest time of the first attempt. With postlude.Delay, the later counts.
func At(t time.Time) Option { return func(o *Options) { o.At = t } }

// Unique enqueues the job only if there is none of the same task and key, in whichever
// queue: not one that waits or runs, nor one that is done, for as long as the engine keeps
// that. One that failed or was canceled does not count. Scheduling is no error then, and
// the option of the job that is there decides. The Run of a task that is enqueued when it is
// scheduled has the id of that job.
func Unique(key string) Option {
	return func(o *Options) { o.Unique, o.UniqueUntilDone = key, false }
}

// UniqueUntilDone is Unique, but a job that is done does not count: it unites the jobs
// that wait or run.
func UniqueUntilDone(key string) Option {
	return func(o *Options) { o.Unique, o.UniqueUntilDone = key, true }
}

// With returns the options and more; the later wins.
func (o Options) With(opts ...Option) Options {
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return o
}

// Check returns what is wrong with the options, joined.
func (o Options) Check() error {
	var faults []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	refuse(!validQueue(o.Queue), "the queue name %q is not of lower-case letters and digits, with single '-' or '_' between them, or longer than %d", o.Queue, MaxQueueName)
	refuse(o.Priority < 0 || o.Priority > PriorityLowest, "the priority %d is not one of %d (the highest) to %d", o.Priority, PriorityHighest, PriorityLowest)
	refuse(len(o.Unique) > MaxUniqueKey, "the unique key has %d bytes, more than %d", len(o.Unique), MaxUniqueKey)
	return errors.Join(faults...)
}

// queueName is what all engines can bear; River is the strictest.
var queueName = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

func validQueue(name string) bool {
	return name == "" || len(name) <= MaxQueueName && queueName.MatchString(name)
}
