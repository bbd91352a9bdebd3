package riverdurable

import (
	"context"
	"errors"
	"sync"
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

// guard stands between River and the database: it knows what the session was given and has
// not given back, and keeps River from fetching or storing while the session has no claim
// on its rows. Everything else passes.
type guard struct {
	riverdriver.Executor
	flights  flights
	claimed  gate
	slots    chan struct{}                                // one for each attempt, in all queues together
	stopping <-chan struct{}                              // no more fetches
	running  func(context.Context) (map[int64]int, error) // the rows in the session's name
	lost     error                                        // what attempts are canceled with
}

// JobGetAvailable fetches jobs for free slots only, and waits for the first. River's
// producers wait with it, and go on to serve what has been fetched.
func (g *guard) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	n := g.enter(p.MaxToLock)
	if n == 0 {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	if !g.claimed.isOpen() {
		g.leave(n)
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	limited := *p
	limited.MaxToLock = n
	res, err := g.Executor.JobGetAvailable(ctx, &limited)
	if err != nil || res == nil {
		g.leave(n)
		return res, err
	}
	g.leave(n - len(res.Jobs))
	g.admit(ctx, res)
	return res, nil
}

// admit takes the jobs into flight. One that still is, from an attempt that was taken from
// the session, must wait: River can't have two attempts of a row.
func (g *guard) admit(ctx context.Context, res *riverdriver.JobGetAvailableResult) {
	admitted := res.Jobs[:0]
	for _, row := range res.Jobs {
		if g.flights.add(row.ID, row.Attempt, func() { g.leave(1) }) {
			admitted = append(admitted, row)
			continue
		}
		g.leave(1)
		g.giveBack(ctx, row)
	}
	res.Jobs = admitted
}

// giveBack makes a job available in a second. If that fails, it is found as an orphan.
func (g *guard) giveBack(ctx context.Context, row *rivertype.JobRow) {
	p := riverdriver.JobSetStateSnoozedAvailable(row.ID, time.Now().Add(time.Second), row.Attempt-1, nil)
	_, _ = g.Executor.JobSetStateIfRunningMany(ctx, &riverdriver.JobSetStateIfRunningManyParams{
		ID: []int64{p.ID}, Attempt: []*int{p.Attempt}, ErrData: [][]byte{nil}, FinalizedAt: []*time.Time{nil},
		MetadataDoMerge: []bool{false}, MetadataUpdates: [][]byte{nil},
		ScheduledAt: []*time.Time{p.ScheduledAt}, State: []rivertype.JobState{p.State},
	})
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

// JobSetStateIfRunningMany stores outcomes: those of attempts that are still the session's,
// when it has its claim. It tries for as long as ctx lets it, and River then calls again.
func (g *guard) JobSetStateIfRunningMany(ctx context.Context, p *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	for {
		if err := g.claimed.wait(ctx); err != nil {
			return nil, err
		}
		rows, err := g.store(ctx, p)
		if err == nil {
			g.flights.settle(p.ID)
			g.announce(ctx, rows)
			return rows, nil
		}
		if errors.Is(err, riverdriver.ErrClosedPool) || !sleep(ctx, storePause) {
			return nil, err
		}
		// The answer alone may have been lost, and the rows be with others by now.
		if _, err := g.flights.verify(func() (map[int64]int, error) { return g.running(ctx) }, g.lost); err != nil && !sleep(ctx, storePause) {
			return nil, err
		}
	}
}

func (g *guard) store(ctx context.Context, p *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	own := g.flights.own(p)
	if len(own.ID) == 0 {
		return nil, nil
	}
	return g.Executor.JobSetStateIfRunningMany(ctx, own)
}

// announce wakes the workers of jobs that are to be tried again at once: River tells of
// those that are inserted only. Without it, the next look finds them.
func (g *guard) announce(ctx context.Context, rows []*rivertype.JobRow) {
	queues, now := map[string]bool{}, time.Now()
	for _, row := range rows {
		if row.State == rivertype.JobStateAvailable && !row.ScheduledAt.After(now) {
			queues[row.Queue] = true
		}
	}
	_ = wake(ctx, g.Executor, queues)
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

// gate is open or closed, and can be waited for. The zero gate is closed.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed when the gate opens; nil if nobody has waited
	open   bool
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open = open; open && g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.open {
		g.mu.Unlock()
		return nil
	}
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
	opened := g.opened
	g.mu.Unlock()
	select {
	case <-opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
