package riverdurable

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

func TestOrphansLook(t *testing.T) {
	var seen orphans
	begin := time.Now()
	for _, look := range []struct {
		at        time.Duration // since the begin
		strangers map[int64]int
		due       map[int64]int
	}{
		{0, map[int64]int{1: 1, 2: 1}, nil},
		{10, map[int64]int{1: 1, 2: 1}, nil},
		{20, map[int64]int{1: 1, 2: 2, 3: 1}, nil}, // 2 was fetched again
		{30, map[int64]int{1: 1, 2: 2}, map[int64]int{1: 1}},
		{40, map[int64]int{2: 2, 3: 1}, nil}, // 3 was away
		{50, map[int64]int{2: 2, 3: 1}, map[int64]int{2: 2}},
		{100, map[int64]int{2: 2, 3: 1}, nil}, // the process stood still
		{110, map[int64]int{2: 2}, nil},
		{120, map[int64]int{2: 2}, nil},
		{130, map[int64]int{2: 2}, map[int64]int{2: 2}},
	} {
		due := seen.look(look.strangers, begin.Add(look.at*time.Second), 30*time.Second)
		if !maps.Equal(due, look.due) {
			t.Errorf("after %d s: %v are due, not %v", look.at, due, look.due)
		}
	}
}

// TestOwn: outcomes are of attempts that have ended, are the session's, and are not settled:
// River may repeat one when the row is in flight again.
func TestOwn(t *testing.T) {
	f := flights{m: map[int64]*flight{}}
	p, slots := &outcomes{}, make(chan struct{}, 5)
	for id := range int64(5) {
		slots <- struct{}{}
		f.add([]*rivertype.JobRow{{ID: id, Attempt: 1}}, slots)
		add(p, riverdriver.JobSetStateCompleted(id, time.Now(), nil))
	}
	for _, id := range []int64{0, 1, 2, 3} {
		f.end(id)
	}
	if len(slots) != 1 {
		t.Errorf("%d slots are taken", len(slots))
	}
	f.judge([]int64{0, 1, 2}, map[int64]int{0: 1, 1: 2})
	if own := f.own(p); len(own.ID) != 2 || own.ID[0] != 0 || own.ID[1] != 3 || len(own.State) != 2 || own.State[1] != rivertype.JobStateCompleted {
		t.Errorf("%+v", own)
	}
	f.settle(p.ID)
	if own := f.own(p); len(own.ID) != 0 || f.count() != 1 || f.attempts([]int64{4})[0] != 1 {
		t.Errorf("after settling, %v are own, and %d in flight", own.ID, f.count())
	}
}

// TestHiddenRow: until the attempt, River sees nothing of what is in a row, and it is decoded
// without a fault.
func TestHiddenRow(t *testing.T) {
	f, slots := flights{m: map[int64]*flight{}}, make(chan struct{}, 1)
	row := &rivertype.JobRow{ID: 1, EncodedArgs: []byte(`{"n":1}`), Metadata: []byte(`{"m":2}`)}
	if added, refused := f.add([]*rivertype.JobRow{row}, slots); len(added) != 1 || refused != nil {
		t.Fatal("it is in flight already")
	}
	var args given
	if err := json.Unmarshal(row.EncodedArgs, &args); err != nil || !json.Valid(row.Metadata) || strings.Contains(string(row.EncodedArgs)+string(row.Metadata), ":") {
		t.Errorf("River sees %s and %s: %v", row.EncodedArgs, row.Metadata, err)
	}
	again := *row
	if added, refused := f.add([]*rivertype.JobRow{&again}, slots); len(added) > 0 || len(refused) != 1 || refused[0] != &again {
		t.Error("it is in flight twice")
	}
	for range 2 { // the second time for HandleError
		f.begin(row, func(error) {})
		if string(row.EncodedArgs) != `{"n":1}` || string(row.Metadata) != `{"m":2}` {
			t.Errorf("the attempt sees %s and %s", row.EncodedArgs, row.Metadata)
		}
	}
}
