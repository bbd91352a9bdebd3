package durabletest

import (
	"context"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// Option is a setting of Exercise.
type Option func(*settings)

type settings struct {
	begin    func(context.Context) (tx any, commit, rollback func() error, err error)
	patience time.Duration
}

// Begin tells Exercise how to begin a transaction of the engine's type, for
// durable.WithTx. Without it, transactions are not tested.
func Begin(begin func(ctx context.Context) (tx any, commit, rollback func() error, err error)) Option {
	return func(s *settings) { s.begin = begin }
}

// Patience is how long the engine may take for a step, such as to deliver a job that can
// be delivered; 20 seconds unless told. It bounds the wait of a test that fails.
func Patience(d time.Duration) Option { return func(s *settings) { s.patience = d } }

// Exercise tests whether e does what durable.Engine demands. It uses names of tasks and
// queues that nobody else has, so that e may have jobs of others and be exercised again.
// It takes real time, a few seconds, and doesn't work in a testing/synctest bubble.
//
// Beyond the interface it expects that e keeps a job that is done, and its unique key,
// for as long as the test takes.
func Exercise(t *testing.T, e durable.Engine, opts ...Option) {
	t.Helper()
	s := settings{patience: 20 * time.Second}
	for _, opt := range opts {
		opt(&s)
	}
	// Twice the patience: contexts that end after the patience come first.
	e = watched{e, 2 * s.patience}
	for _, topic := range []struct {
		name  string
		tests []exercise
	}{
		{"Enqueue", enqueueTests},
		{"Deliver", deliverTests},
		{"Options", optionTests},
		{"Unique", uniqueTests},
		{"Outcome", outcomeTests},
		{"DeadLetters", letterTests},
		{"Session", sessionTests},
		{"Crowd", crowdTests},
		{"Tx", txTests},
	} {
		t.Run(topic.name, func(t *testing.T) {
			for _, x := range topic.tests {
				t.Run(x.name, func(t *testing.T) { x.run(newLab(t, e, s)) })
			}
		})
	}
}

// exercise is a test of one demand.
type exercise struct {
	name string
	run  func(*lab)
}

// Tolerances: an engine may have a clock of its own, and store times in milliseconds.
const (
	skew  = 2 * time.Second
	early = 20 * time.Millisecond
)

// glance is how long a test watches for what must not happen, where nothing else could
// show that it does not. A wrong engine may pass now and then; a right one never fails.
const glance = 150 * time.Millisecond
