package durabletest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/postlude/postlude/runtime/durable"
)

// plans are the actions of the attempts of a job, one after the other.
var plans = [][]durable.Action{
	{durable.Done},
	{durable.Retry, durable.Requeue, durable.Done},
	{durable.Requeue, durable.Requeue, durable.Retry, durable.Retry, durable.Fail},
	{durable.Retry, durable.Cancel},
}

// everythingAtOnce has two sessions carry out many plans side by side. A job brings its
// plan as the arguments.
func everythingAtOnce(l *lab) {
	const jobs = 200 / fewer
	p := &planned{l: l, back: make(map[string]int)}
	a, b := l.work(5, p.attempt), l.work(5, p.attempt)
	total := 0
	for i := range jobs {
		total += len(plans[i%len(plans)])
	}
	l.crowd(8, jobs, func(i int) any {
		var ints []int // of a []uint8, JSON would make a string
		for _, action := range plans[i%len(plans)] {
			ints = append(ints, int(action))
		}
		return ints
	})
	for range total {
		either(a, b)
	}
	a.stop()
	b.stop()
	l.stats("the end of all plans", durable.QueueStats{Dead: jobs / len(plans)})
}

// planned knows how often each job was handed back: those deliveries don't count.
type planned struct {
	l    *lab
	mu   sync.Mutex
	back map[string]int
}

func (p *planned) attempt(_ context.Context, d durable.Delivery) durable.Outcome {
	var plan []durable.Action
	var state struct{ Attempts int }
	if err := json.Unmarshal(d.Args, &plan); err != nil {
		p.l.Errorf("the arguments: %v", err)
	}
	if d.State != nil {
		if err := json.Unmarshal(d.State, &state); err != nil {
			p.l.Errorf("the State: %v", err)
		}
	}
	if state.Attempts != d.Attempt-1 {
		p.l.Errorf("job %s: the State is %s at attempt %d", d.ID, d.State, d.Attempt)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := d.Attempt - 1 + p.back[d.ID]
	if at >= len(plan) {
		p.l.Errorf("job %s with the plan %v was delivered as attempt %d after %d hand-backs", d.ID, plan, d.Attempt, p.back[d.ID])
		return durable.Outcome{Action: durable.Done}
	}
	if plan[at] == durable.Requeue {
		p.back[d.ID]++
	}
	return durable.Outcome{Action: plan[at], Error: "planned", State: fmt.Appendf(nil, `{"attempts":%d}`, d.Attempt)}
}
