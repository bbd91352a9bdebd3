//go:build unix

package machine

import (
	"syscall"
	"time"
)

// CPUTime is what this process has used: SQLite included, a PostgreSQL server not.
func CPUTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
