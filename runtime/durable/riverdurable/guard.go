package riverdurable

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

const (
	fetchTimeout = 10 * time.Second       // River sets none
	storePause   = 250 * time.Millisecond // between attempts to store outcomes
)

// guardedDriver has the River client of a session work through its guard.
type guardedDriver[TTx any] struct {
	riverdriver.Driver[TTx]
	guard *guard
}

func (d guardedDriver[TTx]) GetExecutor() riverdriver.Executor { return d.guard }

func (d guardedDriver[TTx]) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	l := d.Driver.GetListener(p)
	if d.guard.wakes == nil {
		return l
	}
	return &wakingListener{Listener: l, wakes: d.guard.wakes}
}

// guard stands between River and the database: it knows what the session was given and has
// not given back, and keeps River from fetching or storing while the session has no claim
// on its rows. Everything else passes.
type guard struct {
	riverdriver.Executor
	flights  flights
	claimed  gate
	slots    chan struct{}                                // one for each attempt, in all queues together
	wakes    *wakes                                       // nil where the database notifies
	stopping <-chan struct{}                              // no more fetches
	running  func(context.Context) (map[int64]int, error) // the rows in the session's name
	fetch    func(context.Context, *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error)
	fence    fence                                    // nil if nobody else could take the rows
	complete func(context.Context, completions) error // stores completions; nil as fence
	refused  func(error) bool                         // tells that the database will never take an outcome
	lost     error                                    // what attempts are canceled with
	log      *slog.Logger
}

// JobGetAvailable fetches jobs for free slots only, and waits for the first. River's
// producers wait with it, and go on to serve what has been fetched.
func (g *guard) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	n := g.enter(p.MaxToLock)
	if n == 0 {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	claimed := g.claimed.pass()
	if claimed == nil {
		g.leave(n)
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	limited := *p
	limited.MaxToLock = n
	res, err := g.fetch(ctx, &limited)
	if err != nil || res == nil {
		g.leave(n)
		return res, err
	}
	g.leave(n - len(res.Jobs))
	g.admit(ctx, res, claimed())
	return res, nil
}

// admit takes the jobs into flight. One that still is, from an attempt that was taken from
// the session, must wait: River can't have two attempts of a row. All must if the claim was
// lost while they were fetched: nobody would cancel their attempts, and others may have them.
func (g *guard) admit(ctx context.Context, res *riverdriver.JobGetAvailableResult, claimed bool) {
	refused := res.Jobs
	if res.Jobs = nil; claimed {
		res.Jobs, refused = g.flights.add(refused, g.slots)
	}
	g.leave(len(refused))
	g.giveBack(ctx, refused)
}

// enter takes up to n slots, and waits for the first. 0: the session stops.
func (g *guard) enter(n int) int {
	select {
	case <-g.stopping:
		return 0
	default:
	}
	select {
	case <-g.stopping:
		return 0
	case g.slots <- struct{}{}:
	}
	for i := 1; i < n; i++ {
		select {
		case g.slots <- struct{}{}:
		default:
			return i
		}
	}
	return n
}

func (g *guard) leave(n int) {
	for range n {
		<-g.slots
	}
}

// JobGetStuck finds none: River's rescuer goes by the time that a job has run, and discards
// the jobs of others. That a worker is dead we know better.
func (*guard) JobGetStuck(context.Context, *riverdriver.JobGetStuckParams) ([]*rivertype.JobRow, error) {
	return nil, nil
}

// sleep says false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
