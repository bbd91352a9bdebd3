package riverdurable

import (
	"context"
	"maps"
	"sync"

	"github.com/riverqueue/river/rivertype"
)

// flights are the attempts of a session: from when their rows were fetched until their
// outcomes are stored. A row that runs in the session's name without being one is an orphan.
type flights struct {
	mu sync.Mutex
	m  map[int64]*flight // by the ids of the rows
}

type flight struct {
	attempt        int
	args, metadata []byte // of the row, until it begins
	begun          bool
	cancel         context.CancelCauseFunc // nil until it begins
	cause          error                   // of a cancellation before that
	taken          bool                    // by another worker: its outcome is nobody's any more
	slots          <-chan struct{}         // where it has its slot; nil after its end
}

// add takes rows into flight that were fetched, and returns those that can't be: an earlier
// attempt still is, which was taken from the session before it fetched the row again.
//
// It keeps the rows' arguments and metadata from River until begin: River would decode the
// ones, and search the others for what is its own, which there is nothing of.
func (f *flights) add(rows []*rivertype.JobRow, slots <-chan struct{}) (added, refused []*rivertype.JobRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	added = rows[:0]
	for _, row := range rows {
		if f.m[row.ID] != nil {
			refused = append(refused, row)
			continue
		}
		f.m[row.ID] = &flight{attempt: row.Attempt, args: row.EncodedArgs, metadata: row.Metadata, slots: slots}
		row.EncodedArgs, row.Metadata = nothing, empty
		added = append(added, row)
	}
	return added, refused
}

var (
	nothing = []byte("[]")
	empty   = []byte("{}")
)

// begin makes the flight one that can be canceled, and gives the row its arguments and
// metadata back.
func (f *flights) begin(row *rivertype.JobRow, cancel context.CancelCauseFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.m[row.ID]
	if fl == nil || fl.attempt != row.Attempt {
		return
	}
	if !fl.begun {
		row.EncodedArgs, row.Metadata = fl.args, fl.metadata
		fl.args, fl.metadata, fl.begun = nil, nil, true
	}
	fl.cancel = cancel
	if fl.cause != nil {
		cancel(fl.cause)
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
	if fl.slots != nil {
		<-fl.slots
		fl.slots = nil
	}
}

// settle is for when the outcomes are stored, or are nobody's. An attempt that goes on has
// none: it is of a row whose outcome of before River repeats.
func (f *flights) settle(ids []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if fl := f.m[id]; fl != nil && fl.slots == nil {
			delete(f.m, id)
		}
	}
}

// cancelAll asks all attempts to end, and says how many are asked for the first time.
func (f *flights) cancelAll(cause error) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range f.m {
		if fl.cause == nil {
			n++
		}
		fl.abort(cause)
	}
	return n
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

// own returns the outcomes without those of flights that were taken, or are settled: River
// repeats all of a large batch when a part of it failed.
func (f *flights) own(p *outcomes) *outcomes {
	f.mu.Lock()
	defer f.mu.Unlock()
	return pick(p, func(i int) bool {
		fl := f.m[p.ID[i]]
		return fl != nil && fl.slots == nil && !fl.taken
	})
}

// judge marks the flights as taken whose rows are not held with their attempts.
func (f *flights) judge(ids []int64, held map[int64]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if fl := f.m[id]; fl != nil && held[id] != fl.attempt {
			fl.taken = true
		}
	}
}

// attempts are the numbers of the rows' attempts; 0 where there is none in flight.
func (f *flights) attempts(ids []int64) []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	numbers := make([]int, len(ids))
	for i, id := range ids {
		if fl := f.m[id]; fl != nil {
			numbers[i] = fl.attempt
		}
	}
	return numbers
}
