package machine

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Handover is how long it takes until one core sees what another one has written. On a
// virtual machine it depends on where that runs its cores at the moment: on some of a chip that
// share a cache, or not. 0 if there is but one.
func Handover() time.Duration {
	if runtime.GOMAXPROCS(0) < 2 {
		return 0
	}
	const times = 7
	var took [times]time.Duration
	for i := range took {
		took[i] = handover(20_000)
	}
	slices.Sort(took[:])
	return took[times/2]
}

// handover has two threads count to n in turns.
func handover(n int64) time.Duration {
	var count atomic.Int64
	var both sync.WaitGroup
	began := time.Now()
	for first := range int64(2) {
		both.Go(func() {
			runtime.LockOSThread() // which ends with the goroutine
			for turn := first; turn < n; turn += 2 {
				for tries := 1; count.Load() != turn; tries++ {
					if tries%100_000 == 0 { // the other may wait for this core
						runtime.Gosched()
					}
				}
				count.Store(turn + 1)
			}
		})
	}
	both.Wait()
	return time.Since(began) / time.Duration(n)
}
