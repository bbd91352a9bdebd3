package postlude

import (
	"fmt"

	"github.com/postlude/postlude/runtime/durable"
)

// Durable makes the tasks of a definition survive the process: they are stored in the
// queue of Config.Engine, and run by any process that has the definition in Config.Tasks,
// at least once. See package durable for opts.
//
// It is for definitions only: a closure can't leave its process. The arguments must
// survive a round trip through encoding/json; of the context, trace and baggage travel.
//
// A context from durable.WithTx enqueues the task as a part of that transaction; without
// one, it is enqueued at its timing, at once for Go, which then blocks for as long as the
// database takes.
//
// The Run of a durable task speaks of the enqueueing: it is done when the task is in the
// queue, and can be canceled until then. If the enqueueing fails after the handler has
// returned, it is tried again for half a minute; then the task is dropped, recorded and
// escalated. A process that dies before the timing loses the task: use a transaction, or
// Go, where that matters.
//
// Retries, too, go through the queue. Shutdown hands running tasks back to it, unless they
// are shielded and finish in time; the attempt then does not count.
func Durable(opts ...durable.Option) TaskOption {
	return taskOption(func(s *settings) {
		s.durable = true
		s.enqueueWith(opts)
	})
}

// Queueing sets options of the queue for durable tasks: durable.Unique, durable.Priority
// and others. For a task that is not durable, New and scheduling fail with ErrNotDurable,
// unless the options are among Config.Defaults.
func Queueing(opts ...durable.Option) Option {
	return option(func(s *settings) {
		s.queueOptions++
		s.enqueueWith(opts)
	})
}

// taskOption is a setting that only a definition can make.
type taskOption func(*settings)

func (o taskOption) applyTask(s *settings) { o(s) }

func (s *settings) enqueueWith(opts []durable.Option) {
	s.queueing = s.queueing.With(opts...)
	err := s.queueing.Check()
	s.refuse(err != nil, "the options of the queue: %w", err)
}

// checkDurable tells what keeps a call from being made durable, or from having options
// that only durable tasks have.
func (ps *plans) checkDurable(set *settings) error {
	switch {
	case !set.durable && set.queueOptions != ps.rt.defaults.queueOptions:
		return fmt.Errorf("%w: Queueing is for tasks that are defined with Durable (task %q)", ErrNotDurable, ps.name)
	case !set.durable:
		return nil
	case ps.rt.cfg.Engine == nil:
		return fmt.Errorf("%w (task %q)", ErrNoEngine, ps.name)
	case len(set.handlers) != len(ps.base.handlers):
		return fmt.Errorf("%w: OnError of a single call can't reach the process that runs it: put it into Define (task %q)", ErrNotDurable, ps.name)
	}
	return nil
}

// checkDefinition finds at start-up what would fail at each scheduling, or lose what a
// task is given.
func (ps *plans) checkDefinition() error {
	d := ps.def
	if ps.base.durable {
		if err := d.codec.check(); err != nil {
			return fmt.Errorf("%w: the arguments of task %q: %w", ErrNotDurable, d.name, err)
		}
		if len(d.name) > durable.MaxTaskName {
			return fmt.Errorf("%w: the name of task %.40q... has %d bytes, and a queue stores %d", ErrNotDurable, d.name, len(d.name), durable.MaxTaskName)
		}
	}
	return ps.checkDurable(ps.base)
}
