package postlude

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Option is a setting that Config.Defaults, a definition and a single call can make.
// The three merge in this order and the later wins, except that handlers and
// attributes accumulate: the call's handlers are asked first, then the definition's,
// then the defaults'.
type Option interface {
	TaskOption
	applyCall(*settings)
}

// TaskOption is a setting that a definition can make; every Option is one.
type TaskOption interface {
	applyTask(*settings)
}

type option func(*settings)

func (o option) applyTask(s *settings) { o(s) }
func (o option) applyCall(s *settings) { o(s) }

// Shield protects the task from shutdown: it finishes, queued or running or waiting
// for a retry, until the context of Shutdown ends. Unshielded tasks are canceled.
// It does not protect from Run.Cancel or Timeout.
func Shield(on bool) Option {
	return option(func(s *settings) { s.shield = on })
}

// Timeout limits each attempt: its context is canceled after d. The attempt ends when
// its function returns, it is never abandoned; if that returns nil after all, the
// attempt is a success. 0 means no limit.
func Timeout(d time.Duration) Option {
	return option(func(s *settings) {
		s.timeout = d
		s.refuse(d < 0, "Timeout(%v) is negative", d)
	})
}

// Delay is the least time between scheduling and start. The task holds its place in
// the queue meanwhile, and its context is lean (see LeanContext).
func Delay(d time.Duration) Option {
	return option(func(s *settings) {
		s.delay = d
		s.refuse(d < 0, "Delay(%v) is negative", d)
	})
}

// Rel is the relation of an attempt's span to the span that was active when the task
// was scheduled.
type Rel uint8

const (
	// ChildOf makes the span a child of that span, linked to it. Tracing back ends
	// show the link as FOLLOWS_FROM. It is the default.
	ChildOf Rel = iota
	// LinkOnly makes the span the root of a trace of its own, linked to that span.
	LinkOnly
	// None makes the span the root of a trace of its own, without a link.
	None
)

// Relation sets the relation of the attempts' spans to the scheduling span.
func Relation(r Rel) Option {
	return option(func(s *settings) {
		s.relation = r
		s.refuse(r > None, "Relation(%d) is not one of ChildOf, LinkOnly, None", r)
	})
}

// LeanContext keeps of the scheduling context only its span context, its baggage and
// the values of Config.Keep, so that a waiting task does not hold on to the memory of
// its request. It is always so for tasks with a Delay and for durable ones. An immediate
// task with a lean context belongs to no request: what it schedules itself, it schedules
// with Go.
func LeanContext() Option {
	return option(func(s *settings) { s.lean = true })
}

// OnError adds error handlers. They are asked in order, before those that less
// specific options added.
func OnError(hs ...ErrorHandler) Option {
	list, err := entries(Handlers(hs...))
	return option(func(s *settings) {
		s.handlers = append(s.handlers, list...)
		s.refuse(err != nil, "OnError: %w", err)
	})
}

// Attributes adds attributes to the attempts' spans and records. An id belongs here:
// a task's name with an id in it ruins the metrics.
func Attributes(kvs ...attribute.KeyValue) Option {
	return option(func(s *settings) {
		for _, kv := range kvs {
			// The later wins: a record must not have a key twice.
			s.attrs = slices.DeleteFunc(slices.Clone(s.attrs), func(a attribute.KeyValue) bool { return a.Key == kv.Key })
			if kv.Value.Type() == attribute.STRING { // see errs.Clean
				kv.Value = attribute.StringValue(strings.ToValidUTF8(kv.Value.AsString(), "\uFFFD"))
			}
			s.attrs = append(s.attrs, kv)
			s.refuse(!kv.Valid(), "Attributes has one without a key or value: %q", string(kv.Key))
			s.refuse(reserved(string(kv.Key)), "Attributes has %q, a name of the runtime's own", string(kv.Key))
		}
	})
}

// reserved tells whether an attribute of this name would contradict one of the runtime's,
// on the span or in the record.
func reserved(key string) bool {
	switch key {
	case taskconv.LogTime, taskconv.LogLevel, taskconv.LogMessage, taskconv.LogEvent, taskconv.LogTraceID,
		taskconv.LogSpanID, taskconv.LogTraceFlags, taskconv.ErrorType, taskconv.CodeFunctionName:
		return true
	}
	return strings.HasPrefix(key, "task.") || strings.HasPrefix(key, "exception.")
}

// settings is what the options of one task come to.
type settings struct {
	shield   bool
	lean     bool
	relation Rel
	timeout  time.Duration
	delay    time.Duration
	handlers []*entry // in the order in which they are asked
	foreign  bool     // one of them is a processor that sees successes too
	attempts int      // what the most patient of them allows; 0: none says
	attrs    []attribute.KeyValue
	faults   []error

	durable      bool
	queueing     durable.Options
	queueOptions int // how many Enqueue there were
}

func (s *settings) refuse(wrong bool, format string, args ...any) {
	if wrong {
		s.faults = append(s.faults, fmt.Errorf(format, args...))
	}
}

// extend returns s with further options; s stays as it is. apply applies them all.
func (s *settings) extend(apply func(*settings)) *settings {
	next := *s
	next.handlers = nil // the new ones come first
	next.faults = slices.Clip(next.faults)
	apply(&next)
	next.foreign = s.foreign || slices.ContainsFunc(next.handlers, (*entry).foreign)
	for _, e := range next.handlers {
		next.attempts = max(next.attempts, e.attempts)
	}
	next.handlers = append(next.handlers, s.handlers...)
	return &next
}

func (s *settings) withTask(opts []TaskOption) *settings {
	return s.extend(func(n *settings) {
		for _, o := range opts {
			if o != nil {
				o.applyTask(n)
			}
		}
	})
}

func (s *settings) withCall(opts []Option) *settings {
	return s.extend(func(n *settings) {
		for _, o := range opts {
			if o != nil {
				o.applyCall(n)
			}
		}
	})
}

func (s *settings) err() error { return errors.Join(s.faults...) }
