package postlude

// Counts are the fates of tasks (not attempts) since New. Scheduled is the sum of those
// down to Retrying: every task that was admitted is in exactly one place. A durable task
// counts where it runs, and no more when it is handed back, so that Scheduled may fall; what
// it does in its queue is counted apart, see Runtime.Queues.
type Counts struct {
	Scheduled int // admitted
	Succeeded int // its last attempt, or the fallback, returned nil
	Failed    int // it ended with an error, whether or not a handler Handled that
	Canceled  int // by Run.Cancel or shutdown; a durable one by an operator
	Dropped   int // by shutdown while it waited, or by a handler's Drop
	Running   int // now, the work of its handlers included
	Pending   int // waits for its timing, its delay or a worker
	Retrying  int // waits for its next attempt

	Enqueued int // durable tasks that were put into the queue of the engine here
	Requeued int // attempts of durable tasks that were handed back to it: for a retry, or by shutdown
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
	places // how many there are for an admitted task

	enqueued fate = iota - 1
	requeued
	duplicate // of a durable task that is in the queue already; not shown
	fates
)

// tally counts tasks by fate.
type tally [fates]int

func (c *tally) counts() Counts {
	r := Counts{
		Succeeded: c[succeeded], Failed: c[failed], Canceled: c[canceled], Dropped: c[dropped],
		Running: c[inFlight], Pending: c[pending], Retrying: c[waitingRetry],
		Enqueued: c[enqueued], Requeued: c[requeued],
	}
	for _, n := range c[:places] {
		r.Scheduled += n
	}
	return r
}

// count moves a task in or out of a fate, in the runtime's tally and its definition's.
// The caller holds the queue's lock.
func (q *queue) count(t *task, f fate, n int) {
	q.tally[f] += n
	t.series.tally[f] += n
}

// sum adds the timings up. The caller holds the queue's lock.
func (st *stats) sum() (sum tally) {
	for _, s := range st.timings {
		if s != nil {
			for f, n := range s.tally {
				sum[f] += n
			}
		}
	}
	return sum
}
