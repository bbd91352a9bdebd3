package machine

import "runtime"

// Memory is what is in use, in bytes: objects that are alive, and stacks.
func Memory() uint64 {
	runtime.GC() // also finishes the sweep of the one before
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc + s.StackInuse
}
