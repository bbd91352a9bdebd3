package postlude

// Counts are the fates of tasks (not attempts) since New. Scheduled is the sum of the
// rest: every task that was admitted is in exactly one place.
type Counts struct {
	Scheduled int // admitted
	Succeeded int // its last attempt, or the fallback, returned nil
	Failed    int // it ended with an error, whether or not a handler Handled that
	Canceled  int // by Run.Cancel or shutdown
	Dropped   int // by shutdown while it waited, or by a handler's Drop
	Running   int // now, the work of its handlers included
	Pending   int // waits for its timing, its delay or a worker
	Retrying  int // waits for its next attempt
}

// fate is a field of Counts.
type fate uint8

const (
	succeeded fate = iota
	failed
	canceled
	dropped
	inFlight
	pending
	waitingRetry
	fates
)

// tally counts tasks by fate.
type tally [fates]int

func (c *tally) counts() Counts {
	r := Counts{
		Succeeded: c[succeeded], Failed: c[failed], Canceled: c[canceled], Dropped: c[dropped],
		Running: c[inFlight], Pending: c[pending], Retrying: c[waitingRetry],
	}
	for _, n := range c {
		r.Scheduled += n
	}
	return r
}

// count moves a task in or out of a fate, in the runtime's tally and its definition's.
// The caller holds the queue's lock.
func (q *queue) count(t *task, f fate, n int) {
	q.tally[f] += n
	t.stats.tally[f] += n
}
