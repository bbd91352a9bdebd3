package postlude

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/internal/panics"
)

// DefaultRetryBase is the first delay of a Retry that does not say.
const DefaultRetryBase = time.Second

// Retry is an error handler that has the task tried again, Max times at most, so that
// there are Max+1 attempts. The n-th retry comes Base·2ⁿ⁻¹ after the end of the attempt
// that failed, Cap at most. When the attempts are used up it passes, as it does for an
// error that is Permanent and for a task that was canceled.
//
// Max counts all attempts of the task, also those that another Retry asked for: with
// For[A](Retry{Max: 5}) and For[B](Retry{Max: 2}), a B is retried after the first two
// attempts only.
type Retry struct {
	Max  int
	Base time.Duration // 0: DefaultRetryBase
	Cap  time.Duration // 0: no cap
	// Jitter takes a random part of each delay off, from nothing up to this fraction of
	// it: 0 none, 1 all ("full jitter" in Marc Brooker's "Exponential Backoff And
	// Jitter"). With many tasks that fail at once, 1 spreads the load best.
	Jitter float64
}

// OnEnding decides.
func (r Retry) OnEnding(s sdktrace.ReadWriteSpan) {
	if f, ok := FailureOf(s); ok {
		f.Decide(r.verdict(f))
	}
}

// OnStart does nothing.
func (Retry) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd does nothing.
func (Retry) OnEnd(sdktrace.ReadOnlySpan) {}

// Shutdown does nothing.
func (Retry) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing.
func (Retry) ForceFlush(context.Context) error { return nil }

func (r Retry) check() error {
	switch {
	case r.Max < 0 || r.Base < 0 || r.Cap < 0:
		return fmt.Errorf("%+v has a negative field", r)
	case !(r.Jitter >= 0 && r.Jitter <= 1): // NaN is neither
		return fmt.Errorf("%+v: Jitter must be from 0 to 1", r)
	}
	return nil
}

func (r Retry) verdict(f *Failure) Verdict {
	switch {
	case f.Attempt > r.Max, f.task != nil && f.task.stopped(), isPermanent(f.Err):
		return Pass
	}
	if after, ok := errors.AsType[*retryableError](f.Err); ok {
		return RetryAfter(after.delay)
	}
	return RetryAfter(r.delay(f.Attempt))
}

// delay is the time before the n-th retry.
func (r Retry) delay(n int) time.Duration {
	base, limit := r.Base, r.Cap
	if base == 0 {
		base = DefaultRetryBase
	}
	if limit == 0 {
		limit = math.MaxInt64
	}
	d := limit
	if shift := n - 1; shift < 63 && base <= limit>>shift {
		d = base << shift
	}
	return d - time.Duration(r.Jitter*rand.Float64()*float64(d))
}

// Permanent marks an error that is never retried: what was asked for is wrong, and will be
// wrong again. Retry passes, and so does any other handler that answers RetryAfter. It
// returns nil for nil. The error's text stays as it is.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ error }

func (e *permanentError) Unwrap() error     { return e.error }
func (e *permanentError) ErrorType() string { return errs.Type(e.error) } // not ours

// isPermanent looks for Permanent in err, whose methods are user code.
func isPermanent(err error) (yes bool) {
	_ = panics.Try(func() {
		_, yes = errors.AsType[*permanentError](err)
	})
	return yes
}

// RetryableAfter gives Retry the delay that the other side asked for, in a Retry-After
// header of a 429 or 503, say. It wins over Base, Cap and Jitter, not over Max. It
// returns nil for nil. The error's text stays as it is.
func RetryableAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryableError{err, max(0, d)}
}

type retryableError struct {
	error
	delay time.Duration
}

func (e *retryableError) Unwrap() error     { return e.error }
func (e *retryableError) ErrorType() string { return errs.Type(e.error) }

// RetryBudget bounds the retries of a whole runtime, so that an outage of what the tasks
// call does not become a storm: in each ten seconds there may be Percent retries for a
// hundred first attempts, and Floor in any case. When it is spent, a verdict to retry is
// passed over and the next handler is asked. The zero value is no budget: no bound.
//
// The idea is that of Finagle's RetryBudget and of "Handling Overload" in Site
// Reliability Engineering, with a window in place of a leaky bucket.
type RetryBudget struct {
	Percent float64
	Floor   int
}

func (b RetryBudget) check() error {
	if !(b.Percent >= 0) || b.Floor < 0 { // NaN is neither
		return fmt.Errorf("Config.RetryBudget is %+v: its fields must be numbers, and not negative", b)
	}
	return nil
}

// budgetSlots of a second each make the window of a budget.
const budgetSlots = 10

// budget counts first attempts and retries over the last seconds.
type budget struct {
	RetryBudget
	mu    sync.Mutex
	slots [budgetSlots]struct {
		second         int64
		first, retries int
	}
}

func (b *budget) bounded() bool { return b.RetryBudget != RetryBudget{} }

// attempted counts a first attempt.
func (b *budget) attempted(now int64) {
	if !b.bounded() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _, slot := b.lookLocked(now)
	b.slots[slot].first++
}

// spend takes one retry out of the budget. It reports false if none is left.
func (b *budget) spend(now int64) bool {
	if !b.bounded() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	first, retries, slot := b.lookLocked(now)
	if float64(retries) >= max(float64(b.Floor), b.Percent/100*float64(first)) {
		return false
	}
	b.slots[slot].retries++
	return true
}

// lookLocked sums the window up, and returns the slot of this second.
func (b *budget) lookLocked(now int64) (first, retries, slot int) {
	second := now / int64(time.Second)
	slot = int(second % budgetSlots)
	if b.slots[slot].second != second {
		b.slots[slot].second, b.slots[slot].first, b.slots[slot].retries = second, 0, 0
	}
	for _, s := range b.slots {
		if second-s.second < budgetSlots {
			first, retries = first+s.first, retries+s.retries
		}
	}
	return first, retries, slot
}
