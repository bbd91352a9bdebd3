//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package riverdurable

import (
	"errors"
	"os"
	"runtime"
)

func tryLock(*os.File) (bool, error) {
	return false, errors.New("there is no lock for files on " + runtime.GOOS + " in this version: use PostgreSQL")
}
