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
	errBlocked = errors.New("the handler exceeded its time and has not returned")
	errSkipped = errors.New("a call of the handler before has not returned yet")
)

// errGoexit is made in advance: its stack would tell nothing.
var errGoexit error = &PanicError{Value: ErrGoexit}

// guard keeps a handler that blocks for ever from costing a goroutine for every failure.
// A handler that has not returned yet is called by one failure at a time; one that has,
// is trusted, and loses that after three calls in a row that exceeded their time: a
// single one may be the fault of a busy machine, and a decision that is not asked for is
// lost. While such calls have not returned, it is passed over: at three, or at one if it
// has no trust. Under load, a trusted handler that begins to block holds those goroutines
// that call it at that moment, too.
//
// A handler that is asked for a decision, and trusted, is called on the worker's goroutine
// (watch.go); all other calls have a goroutine of their own.
type guard struct {
	blocked atomic.Int32 // calls that were given up on and still run
	trusted atomic.Bool
	strikes atomic.Int32 // calls in a row that were given up on
}

const maxStrikes = 3

// trusts tells whether the handler may be called without further ado.
func (g *guard) trusts() bool { return g.trusted.Load() && g.blocked.Load() < maxStrikes }

// returned notes that a call came back in time.
func (g *guard) returned() {
	if !g.trusted.Load() || g.strikes.Load() > 0 { // no write to what all cores read
		g.strikes.Store(0)
		g.trusted.Store(true)
	}
}

// strike notes that a call was given up on.
func (g *guard) strike() {
	if g.strikes.Add(1) >= maxStrikes {
		g.trusted.Store(false)
	}
}

// guarded runs fn, a call of the handler that g guards, within limit. It returns nil, a
// *PanicError if fn panicked or called runtime.Goexit, errBlocked or errSkipped, these as
// they are. After the limit fn may go on, on a goroutine of its own.
func (rt *Runtime) guarded(g *guard, name string, limit time.Duration, fn func()) error {
	if !g.trusted.Load() {
		turn := rt.turnOf(g)
		turn <- struct{}{}
		defer func() {
			if g.trusted.Load() {
				rt.turns.Delete(g)
			}
			<-turn
		}()
	}
	if n := g.blocked.Load(); n >= maxStrikes || n > 0 && !g.trusted.Load() {
		return errSkipped
	}
	err := g.call(limit, fn)
	if err == errBlocked {
		rt.noteBlocked(g, name)
	}
	return err
}

// turnOf returns the channel that lets failures call an untried handler one by one. It
// belongs to the runtime, as a channel of a synctest bubble must not leave it.
func (rt *Runtime) turnOf(g *guard) chan struct{} {
	if turn, ok := rt.turns.Load(g); ok {
		return turn.(chan struct{})
	}
	turn, _ := rt.turns.LoadOrStore(g, make(chan struct{}, 1))
	return turn.(chan struct{})
}

// call runs fn within limit. The time runs from when fn starts: on a busy machine a new
// goroutine may have to wait for that, and an innocent handler would be taken for a
// blocked one.
func (g *guard) call(limit time.Duration, fn func()) error {
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
		g.returned()
		return err
	case <-timer.C:
	}
	g.blocked.Add(1)
	if decided.CompareAndSwap(false, true) {
		g.strike()
		return errBlocked
	}
	g.blocked.Add(-1)
	return <-ended // it returned at the last moment: what it said was in time
}

// workSlack is how long work may go on after its context has ended. A worker waits no
// longer for it.
const workSlack = time.Second

// guardedWork runs work of a handler, with a context that ends after Config.WorkTimeout.
// Work that does not heed its context is left to itself, as a handler is that blocks.
func (rt *Runtime) guardedWork(ctx context.Context, e *entry, do func(context.Context) error) error {
	limit := rt.cfg.WorkTimeout
	var result error
	err := rt.guarded(e.workGuard, e.name, limit+workSlack, func() { result = timed(ctx, limit, do) })
	if err != nil {
		return err // and result may still be written
	}
	return result
}

// work is guardedWork without a runtime.
func (g *guard) work(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	if g.blocked.Load() >= maxStrikes {
		return errSkipped
	}
	var result error
	if err := g.call(limit+workSlack, func() { result = timed(ctx, limit, do) }); err != nil {
		return err
	}
	return result
}

func timed(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errWorkTimeout)
	defer cancel()
	return do(ctx)
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
