package postlude

import (
	"container/heap"
	"time"
)

// fifo is a first-in, first-out queue on a ring that grows as needed.
type fifo struct {
	ring  []*task // its length is a power of two
	head  int
	count int
}

func (f *fifo) push(t *task) {
	if f.count == len(f.ring) {
		grown := make([]*task, max(64, 2*len(f.ring)))
		n := copy(grown, f.ring[f.head:])
		copy(grown[n:], f.ring[:f.head])
		f.ring, f.head = grown, 0
	}
	f.ring[(f.head+f.count)&(len(f.ring)-1)] = t
	f.count++
}

// peek returns the task that pop would; nil when the queue is empty.
func (f *fifo) peek() *task {
	if f.count == 0 {
		return nil
	}
	return f.ring[f.head]
}

// pop returns nil when the queue is empty.
func (f *fifo) pop() *task {
	if f.count == 0 {
		return nil
	}
	t := f.ring[f.head]
	f.ring[f.head] = nil
	f.head = (f.head + 1) & (len(f.ring) - 1)
	if f.count--; f.count == 0 && len(f.ring) > 4096 {
		f.ring, f.head = nil, 0 // a burst's memory is returned
	}
	return t
}

// timers holds the tasks that wait for a time: a heap and one timer for the earliest,
// however many there are. The queue's lock guards it.
type timers struct {
	tasks []*task
	now   func() int64
	fire  func()
	timer *time.Timer
	armed int64 // what timer is set to; 0: not set
}

func (s *timers) init(now func() int64, fire func()) { s.now, s.fire = now, fire }

func (s *timers) add(t *task) {
	heap.Push((*byDue)(s), t)
	s.arm()
}

func (s *timers) remove(t *task) { heap.Remove((*byDue)(s), int(t.heapIndex)) }

// expired takes out the tasks that are due, the earliest first.
func (s *timers) expired() []*task {
	s.armed = 0
	var due []*task
	for now := s.now(); len(s.tasks) > 0 && s.tasks[0].at <= now; {
		due = append(due, heap.Pop((*byDue)(s)).(*task))
	}
	return due
}

// arm sets the timer to the earliest task, unless it is set to that or earlier.
func (s *timers) arm() {
	if len(s.tasks) == 0 || s.armed != 0 && s.armed <= s.tasks[0].at {
		return
	}
	s.armed = max(1, s.tasks[0].at)
	wait := time.Duration(s.armed - s.now())
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.fire)
		return
	}
	s.timer.Reset(wait)
}

func (s *timers) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// byDue orders the tasks for container/heap.
type byDue timers

func (h *byDue) Len() int           { return len(h.tasks) }
func (h *byDue) Less(i, j int) bool { return h.tasks[i].at < h.tasks[j].at }

func (h *byDue) Swap(i, j int) {
	h.tasks[i], h.tasks[j] = h.tasks[j], h.tasks[i]
	h.tasks[i].heapIndex, h.tasks[j].heapIndex = int32(i), int32(j)
}

func (h *byDue) Push(x any) {
	t := x.(*task)
	t.heapIndex = int32(len(h.tasks))
	h.tasks = append(h.tasks, t)
}

func (h *byDue) Pop() any {
	n := len(h.tasks) - 1
	t := h.tasks[n]
	h.tasks[n] = nil
	h.tasks = h.tasks[:n]
	return t
}

// list links tasks, the oldest first, so that shutdown and snapshots find them. It is
// intrusive: a map of a million entries would cost more than the tasks.
type list struct{ first, last *task }

func (l *list) add(t *task) {
	t.before = l.last
	if l.last != nil {
		l.last.after = t
	} else {
		l.first = t
	}
	l.last = t
}

func (l *list) remove(t *task) {
	if t.before != nil {
		t.before.after = t.after
	} else {
		l.first = t.after
	}
	if t.after != nil {
		t.after.before = t.before
	} else {
		l.last = t.before
	}
	t.before, t.after = nil, nil
}

// all visits the tasks. visit may remove the task that it is given.
func (l *list) all(visit func(*task)) {
	for t := l.first; t != nil; {
		next := t.after
		visit(t)
		t = next
	}
}
