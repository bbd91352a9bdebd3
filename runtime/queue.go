package postlude

import (
	"sync"
	"time"
)

// state is where a task is in its life. Only the queue changes it.
type state uint8

const (
	gated    state = iota // admitted; waits for its timing
	delayed               // waits for its Delay
	ready                 // waits for a worker
	running               // a worker has it
	retrying              // waits for its next attempt's time
	settled               // its fate is known
)

// queue is the runtime's only scheduler state: admission, the tasks that wait, and the
// workers. One mutex guards it all, so that Counts always add up; nothing that may
// block or call user code happens under it.
type queue struct {
	mu      sync.Mutex
	epoch   time.Time // times are kept as nanoseconds since then: half the size, and monotonic
	run     func(*worker)
	slots   int // Config.Queue
	limit   int // Config.Workers
	tally   tally
	live    int    // admitted and not settled
	guests  int    // of them, those that an engine delivered: they have no slot
	waiting list   // admitted, without a worker
	busy    list   // those that workers have, the longest first
	extra   int    // workers that they have, beyond limit
	backlog fifo   // ready, while all workers are busy
	timers  timers // delayed and retrying
	workers int
	idle    []*worker // parked, the longest first
	// summoned: a worker was called for the backlog, and has not come yet. As long as there
	// is a backlog, one is, or none can be.
	summoned bool
	reaper   *time.Timer
	closed   bool          // no more admission
	stopped  bool          // no worker waits for more
	emptied  chan struct{} // closed when no task is admitted; nil: nobody waits for that
}

func newQueue(workers, slots int, run func(*worker)) *queue {
	q := &queue{epoch: time.Now(), run: run, slots: slots, limit: workers}
	q.timers.init(q.now, q.due)
	return q
}

func (q *queue) now() int64 { return int64(time.Since(q.epoch)) }

// when is a time as the queue keeps it.
func (q *queue) when(t time.Time) int64 { return int64(t.Sub(q.epoch)) }

// admit gives t a slot, which it keeps until it is settled.
func (q *queue) admit(t *task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.admitLocked(t)
}

// admitReady is admit and release in one, for a task that was made just now.
func (q *queue) admitReady(t *task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.admitLocked(t); err != nil {
		return err
	}
	q.releaseLocked(t, t.readyAt)
	return nil
}

func (q *queue) admitLocked(t *task) error {
	switch {
	case q.closed:
		return ErrShuttingDown
	case q.live-q.guests >= q.slots:
		return ErrQueueFull
	}
	q.enterLocked(t)
	return nil
}

// deliver takes a task in that an engine delivered, and makes it ready. It needs no slot:
// the engine bounds how many it delivers. It reports false if there is no more admission.
func (q *queue) deliver(t *task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.guests++
	q.enterLocked(t)
	q.readyLocked(t, q.now())
	return true
}

func (q *queue) enterLocked(t *task) {
	t.state = gated
	q.live++
	q.waiting.add(t)
	q.count(t, pending, +1)
}

// enqueued settles a task that never needed a slot, as it went to an engine at once.
func (q *queue) enqueued(t *task, f fate) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.state = settled // a Cancel finds nothing to do
	q.count(t, f, +1)
	t.publish(nil)
}

// release makes an admitted task ready, or lets it wait until notBefore. It reports
// whether t goes to a worker next: false if it waits, or if it was settled meanwhile.
func (q *queue) release(t *task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.state != gated {
		return false
	}
	return q.releaseLocked(t, q.now())
}

func (q *queue) releaseLocked(t *task, now int64) bool {
	if t.at > now && !t.canceled {
		t.state = delayed
		q.timers.add(t)
		return false
	}
	q.readyLocked(t, now)
	return true
}

// refusesRetry tells whether shutdown has run out of time.
func (q *queue) refusesRetry() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stopped
}

// retry lets a running task wait for its next attempt.
func (q *queue) retry(t *task, due int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.canceled || q.stopped {
		return false
	}
	t.state, t.at = retrying, due
	q.busy.remove(t)
	q.waiting.add(t)
	t.retries++
	q.count(t, inFlight, -1)
	q.count(t, waitingRetry, +1)
	q.timers.add(t)
	return true
}

// expedite ends the waiting of a task that was canceled, so that a worker can settle
// it now. Its function will not be called.
func (q *queue) expedite(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.canceled = true
	switch t.state {
	case delayed, retrying:
		q.timers.remove(t)
		q.readyLocked(t, q.now())
	case gated:
		q.readyLocked(t, q.now())
	}
}

// hasten ends the waiting of a task for its next attempt.
func (q *queue) hasten(t *task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.state != retrying {
		return false
	}
	q.timers.remove(t)
	q.readyLocked(t, q.now())
	return true
}

// find returns the admitted task of an id; nil if there is none.
func (q *queue) find(id [16]byte) (found *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range []*list{&q.busy, &q.waiting} {
		l.all(func(t *task) {
			if t.id == id {
				found = t
			}
		})
	}
	return found
}

// waits tells whether t is ready, and no worker is free to take it.
func (q *queue) waits(t *task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return t.state == ready && !q.summoned && len(q.idle) == 0 && q.workers >= q.limit+q.extra
}

// due is called by the timers when tasks are due.
func (q *queue) due() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, t := range q.timers.expired() {
		q.readyLocked(t, now)
	}
	q.timers.arm()
}

// readyLocked lines t up for the workers. One that an engine delivered does not wait: it
// is this process's as long as it is here, and the engine, which bounds how many there
// are, can't know that they don't run.
func (q *queue) readyLocked(t *task, now int64) {
	retry := t.state == retrying
	t.state, t.readyAt = ready, now
	if t.in == nil {
		t.again = retry
		q.backlog.push(t)
		q.summonLocked()
		return
	}
	q.extra++
	q.takeLocked(t, retry, now)
	if w := q.unparkLocked(); w != nil {
		w.next <- t // has room for one, so this never blocks
		return
	}
	q.workers++
	go q.run(&worker{next: make(chan *task, 1), task: t})
}

// summonLocked has a worker come for the backlog, an idle one or a new one. One comes at a
// time, and has the next one come if there is more: so a burst of small tasks is worked
// off by the few that are awake, and a waiting task never waits for one that sleeps.
func (q *queue) summonLocked() {
	if q.summoned || q.backlog.count == 0 {
		return
	}
	if w := q.unparkLocked(); w != nil {
		q.summoned, w.summoned = true, true
		w.next <- look
		return
	}
	if q.workers < q.limit+q.extra {
		q.summoned = true
		q.workers++
		go q.run(&worker{next: make(chan *task, 1), summoned: true})
	}
}

// look is what a worker is given that is to look at the backlog.
var look = new(task)

// unparkLocked returns the idle worker that ran last, whose stack is warm; nil if none is.
func (q *queue) unparkLocked() *worker {
	n := len(q.idle)
	if n == 0 {
		return nil
	}
	w := q.idle[n-1]
	q.idle = q.idle[:n-1]
	return w
}

// takeLocked marks t as running.
func (q *queue) takeLocked(t *task, retry bool, now int64) {
	t.state, t.at = running, now
	q.waiting.remove(t)
	q.busy.add(t)
	if retry {
		q.count(t, waitingRetry, -1)
	} else {
		q.count(t, pending, -1)
	}
	q.count(t, inFlight, +1)
}

// next returns the task that w runs next. It blocks until there is one; nil tells w
// to end.
func (q *queue) next(w *worker) *task {
	for {
		t, wait := q.tryNext(w)
		if !wait {
			return t
		}
		if t := <-w.next; t != look {
			return t
		}
		w.freed = 0
	}
}

// tryNext is next without the waiting: w is parked if it has to.
func (q *queue) tryNext(w *worker) (t *task, wait bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.summoned {
		q.summoned, w.summoned = false, false
	}
	defer q.summonLocked()
	if q.workers > q.limit+q.extra { // it was there for one that an engine delivered
		q.workers--
		return nil, false
	}
	if w.freed == 0 {
		w.freed = q.now()
	}
	for t := q.backlog.pop(); t != nil; t = q.backlog.pop() {
		if t.state == ready { // or it was settled while it waited
			q.takeLocked(t, t.again, max(w.freed, t.readyAt))
			return t, false
		}
	}
	if q.stopped {
		q.workers--
		return nil, false
	}
	q.idle = append(q.idle, w)
	q.armReaperLocked()
	return nil, true
}

// settle gives a running task its fate, publishes its error and frees its slot, in one
// step: whoever sees one of them sees all.
func (q *queue) settle(t *task, f fate, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leaveLocked(t)
	q.enterFateLocked(t, f, err)
}

// leaveLocked takes t out of where it is.
func (q *queue) leaveLocked(t *task) {
	if t.state == running {
		q.busy.remove(t)
	} else {
		q.waiting.remove(t)
	}
	switch t.state {
	case running:
		q.count(t, inFlight, -1)
		if t.in != nil {
			q.extra--
		}
	case retrying:
		q.timers.remove(t)
		q.count(t, waitingRetry, -1)
	case delayed:
		q.timers.remove(t)
		q.count(t, pending, -1)
	case ready:
		if t.again {
			q.count(t, waitingRetry, -1)
		} else {
			q.count(t, pending, -1)
		}
	case gated:
		q.count(t, pending, -1)
	}
	t.state = settled
}

func (q *queue) enterFateLocked(t *task, f fate, err error) {
	q.count(t, f, +1)
	q.live--
	if t.in != nil {
		q.guests--
	}
	t.publish(err)
	if q.live == 0 {
		q.wakeLocked()
	}
}

// empty returns a channel that is closed when no task is admitted.
func (q *queue) empty() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.live == 0 {
		return closed
	}
	if q.emptied == nil {
		q.emptied = make(chan struct{})
	}
	return q.emptied
}

func (q *queue) wakeLocked() {
	if q.emptied != nil {
		close(q.emptied)
		q.emptied = nil
	}
}
