package durabletest

import (
	"cmp"
	stdheap "container/heap"
)

// heap is a priority queue of jobs, each of which knows its place in it.
type heap struct {
	jobs    []*job
	compare func(a, b *job) int
}

func newHeap(compare func(a, b *job) int) *heap { return &heap{compare: compare} }

// byTime orders by when a job is due.
func byTime(a, b *job) int {
	return cmp.Or(a.ready.Compare(b.ready), cmp.Compare(a.number, b.number))
}

// byPriority orders by what is to be delivered first.
func byPriority(a, b *job) int {
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), byTime(a, b))
}

func (h *heap) put(j *job) { stdheap.Push((*slots)(h), j) }

// first returns the first job; nil if there is none.
func (h *heap) first() *job {
	if h == nil || len(h.jobs) == 0 {
		return nil
	}
	return h.jobs[0]
}

// leave takes the job out of the heap that it is in, if it is in one.
func (j *job) leave() {
	if j.in != nil {
		stdheap.Remove((*slots)(j.in), j.at)
	}
}

// slots is a heap as container/heap wants it.
type slots heap

func (s *slots) Len() int           { return len(s.jobs) }
func (s *slots) Less(i, k int) bool { return s.compare(s.jobs[i], s.jobs[k]) < 0 }

func (s *slots) Swap(i, k int) {
	s.jobs[i], s.jobs[k] = s.jobs[k], s.jobs[i]
	s.jobs[i].at, s.jobs[k].at = i, k
}

func (s *slots) Push(x any) {
	j := x.(*job)
	j.in, j.at = (*heap)(s), len(s.jobs)
	s.jobs = append(s.jobs, j)
}

func (s *slots) Pop() any {
	n := len(s.jobs) - 1
	j := s.jobs[n]
	s.jobs[n] = nil // for the garbage collector
	s.jobs, j.in = s.jobs[:n], nil
	return j
}
