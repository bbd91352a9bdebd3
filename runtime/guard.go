package postlude

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/internal/panics"
)

// Why a handler was passed over.
var (
	errBlocked = errors.New("the handler exceeded Config.HandlerTimeout; it is passed over until it returns")
	errSkipped = errors.New("a call of the handler before has not returned yet")
)

// errGoexit is made in advance: its stack would tell nothing.
var errGoexit error = &PanicError{Value: ErrGoexit}

// guard keeps a handler that blocks for ever from costing a goroutine for every
// failure: while a call of it has not returned, it is not called again.
type guard struct{ blocked atomic.Int32 } // calls that were given up on and still run

// call runs fn within limit. It returns nil, a *PanicError if fn panicked or called
// runtime.Goexit, errBlocked or errSkipped. The time runs from when fn starts: on a busy
// machine a new goroutine may have to wait for that, and an innocent handler would be
// taken for a blocked one. After the limit fn may go on, on a goroutine of its own.
func (g *guard) call(limit time.Duration, fn func()) error {
	if g.blocked.Load() > 0 {
		return errSkipped
	}
	var decided atomic.Bool // by the first of: fn returned, the time is over
	ended, began := make(chan error, 1), make(chan struct{})
	go func() {
		close(began)
		err := errGoexit // stays if fn calls runtime.Goexit
		defer func() {
			ended <- err
			if !decided.CompareAndSwap(false, true) {
				g.blocked.Add(-1)
			}
		}()
		if p := panics.Try(fn); p != nil {
			err = p
			return
		}
		err = nil
	}()
	<-began
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
	}
	g.blocked.Add(1)
	if decided.CompareAndSwap(false, true) {
		return errBlocked
	}
	g.blocked.Add(-1)
	return <-ended // it returned at the last moment: what it said was in time
}

// within runs fn to its end, with a context that ends after limit (0: never), and
// returns its error, or its panic or runtime.Goexit as one. It takes a goroutine of its
// own, so that Goexit spares the caller's.
func within(ctx context.Context, limit time.Duration, fn func(context.Context) error) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTimeout)
		defer cancel()
	}
	ended := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() { ended <- err }()
		if p := panics.Try(func() { err = fn(ctx) }); p != nil {
			err = p
		}
	}()
	return <-ended
}
