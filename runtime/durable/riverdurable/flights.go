package riverdurable

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/riverqueue/river/riverdriver"
)

// flights are the attempts of a session: from when their rows were fetched until their
// outcomes are stored. A row that runs in the session's name without being one is an orphan.
type flights struct {
	mu sync.Mutex
	m  map[int64]*flight // by the ids of the rows
}

type flight struct {
	attempt int
	cancel  context.CancelCauseFunc // nil until it begins
	cause   error                   // of a cancellation before that
	taken   bool                    // by another worker: its outcome is nobody's any more
	leave   func()                  // gives its slot back; nil after that
}

// add says false if an earlier attempt of the row is still in flight: one that was taken
// from the session, which then fetched the row again.
func (f *flights) add(id int64, attempt int, leave func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m[id] != nil {
		return false
	}
	f.m[id] = &flight{attempt: attempt, leave: leave}
	return true
}

// begin makes the flight one that can be canceled.
func (f *flights) begin(id int64, cancel context.CancelCauseFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.m[id]; fl != nil {
		fl.cancel = cancel
		if fl.cause != nil {
			cancel(fl.cause)
		}
	}
}

// end is for when the worker is done with it, and its outcome not yet stored.
func (f *flights) end(id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.m[id]; fl != nil {
		fl.end()
	}
}

func (fl *flight) end() {
	fl.cancel = nil
	if fl.leave != nil {
		fl.leave()
		fl.leave = nil
	}
}

// settle is for when the outcomes are stored.
func (f *flights) settle(ids []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if fl := f.m[id]; fl != nil {
			fl.end()
			delete(f.m, id)
		}
	}
}

// cancelAll asks all attempts to end.
func (f *flights) cancelAll(cause error) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range f.m {
		fl.abort(cause)
	}
	return len(f.m)
}

func (fl *flight) abort(cause error) {
	if fl.cause = cause; fl.cancel != nil {
		fl.cancel(cause)
	}
}

// verify finds the flights that do not run in the session's name any more, and asks them
// to end. Those that began after the rows were read are not judged by them.
func (f *flights) verify(read func() (map[int64]int, error), cause error) (taken int, err error) {
	f.mu.Lock()
	judged := maps.Clone(f.m)
	f.mu.Unlock()
	if len(judged) == 0 {
		return 0, nil
	}
	running, err := read()
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, fl := range judged {
		attempt, ok := running[id]
		if f.m[id] == fl && !fl.taken && (!ok || attempt != fl.attempt) {
			fl.taken = true
			fl.abort(cause)
			taken++
		}
	}
	return taken, nil
}

// strangers returns the running rows that are no flights.
func (f *flights) strangers(running map[int64]int) map[int64]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	strangers := map[int64]int{}
	for id, attempt := range running {
		if f.m[id] == nil {
			strangers[id] = attempt
		}
	}
	return strangers
}

func (f *flights) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.m)
}

// own returns the outcomes without those of flights that were taken.
func (f *flights) own(p *riverdriver.JobSetStateIfRunningManyParams) *riverdriver.JobSetStateIfRunningManyParams {
	f.mu.Lock()
	defer f.mu.Unlock()
	isTaken := func(id int64) bool { fl := f.m[id]; return fl != nil && fl.taken }
	if !slices.ContainsFunc(p.ID, isTaken) {
		return p
	}
	q := &riverdriver.JobSetStateIfRunningManyParams{Now: p.Now, Schema: p.Schema}
	for i, id := range p.ID {
		if isTaken(id) {
			continue
		}
		q.ID = append(q.ID, id)
		q.Attempt = append(q.Attempt, p.Attempt[i])
		q.ErrData = append(q.ErrData, p.ErrData[i])
		q.FinalizedAt = append(q.FinalizedAt, p.FinalizedAt[i])
		q.MetadataDoMerge = append(q.MetadataDoMerge, p.MetadataDoMerge[i])
		q.MetadataUpdates = append(q.MetadataUpdates, p.MetadataUpdates[i])
		q.ScheduledAt = append(q.ScheduledAt, p.ScheduledAt[i])
		q.State = append(q.State, p.State[i])
	}
	return q
}
