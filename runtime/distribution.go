package postlude

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// The buckets of a Distribution are those of a histogram with a linear division of each
// power of two, as HdrHistogram's: eight to an octave, so that a quantile is off by a
// sixteenth at most. They reach from a microsecond to 73 minutes; what is below or above
// is in the first or the last.
const (
	subBits   = 3
	minShift  = 10 // 2¹⁰ ns is about a microsecond
	maxShift  = 42 // 2⁴² ns is 73 minutes
	nBuckets  = (maxShift - minShift) << subBits
	subOctave = 1 << subBits
)

// Distribution counts durations: those of the attempts of a task, say. It is a value;
// the difference of two, of a later and an earlier Snapshot, is that of the time between.
type Distribution struct {
	Count   uint64
	Sum     time.Duration
	buckets [nBuckets]uint64
}

// Mean is the average; 0 of none.
func (d *Distribution) Mean() time.Duration {
	if d.Count == 0 {
		return 0
	}
	return d.Sum / time.Duration(d.Count)
}

// Quantile returns the duration that the fraction q of all stays below, q from 0 to 1:
// 0.5 is the median. It is exact to a sixteenth. 0 of none.
func (d *Distribution) Quantile(q float64) time.Duration {
	if d.Count == 0 {
		return 0
	}
	rank := max(1, uint64(math.Ceil(min(max(q, 0), 1)*float64(d.Count))))
	for i, n := range d.buckets {
		if rank <= n {
			return middle(i)
		}
		rank -= n
	}
	return middle(nBuckets - 1)
}

// Since returns what was added after earlier, a Distribution of the same source.
func (d *Distribution) Since(earlier *Distribution) Distribution {
	diff := Distribution{Count: d.Count - earlier.Count, Sum: d.Sum - earlier.Sum}
	for i := range d.buckets {
		diff.buckets[i] = d.buckets[i] - earlier.buckets[i]
	}
	return diff
}

// Add adds what another one has counted.
func (d *Distribution) Add(other *Distribution) {
	d.Count += other.Count
	d.Sum += other.Sum
	for i, n := range other.buckets {
		d.buckets[i] += n
	}
}

// Observe counts a duration.
func (d *Distribution) Observe(took time.Duration) {
	d.Count++
	d.Sum += took
	d.buckets[bucket(took)]++
}

// bucket is the index of the bucket of a duration.
func bucket(d time.Duration) int {
	if d < 1<<minShift {
		return 0
	}
	octave := bits.Len64(uint64(d)) - 1
	if octave >= maxShift {
		return nBuckets - 1
	}
	return (octave-minShift)<<subBits + int(d>>(octave-subBits))&(subOctave-1)
}

// middle is the duration in the middle of a bucket.
func middle(i int) time.Duration {
	octave := i>>subBits + minShift
	width := time.Duration(1) << (octave - subBits)
	return time.Duration(1)<<octave + time.Duration(i&(subOctave-1))*width + width/2
}

// recorder is a Distribution in the making. It is written by every attempt, hence
// without a lock: its numbers are of nearly the same moment, no more.
type recorder struct {
	sum     atomic.Int64
	buckets [nBuckets]atomic.Uint64
}

func (r *recorder) observe(d time.Duration) {
	r.sum.Add(int64(d))
	r.buckets[bucket(d)].Add(1)
}

// read copies it. Count is the sum of the buckets, so that it fits them.
func (r *recorder) read() (d Distribution) {
	d.Sum = time.Duration(r.sum.Load())
	for i := range r.buckets {
		d.buckets[i] = r.buckets[i].Load()
		d.Count += d.buckets[i]
	}
	return d
}
