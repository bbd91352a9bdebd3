//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package riverdurable

import (
	"errors"
	"os"
	"syscall"
)

// tryLock says false if another open file holds the lock. The system frees it when the
// file is closed, or its process ends in any way.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
