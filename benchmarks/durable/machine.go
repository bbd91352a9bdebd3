package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/machine"
)

// about describes what the figures are of, besides the databases.
func about() []string {
	return []string{
		machine.Cores(),
		fmt.Sprintf("Go %s, River %s, Postlude at commit %s", machine.Go(),
			machine.Version("github.com/riverqueue/river"), machine.Commit()),
	}
}

// timeOfSync is how long the disk takes for what a commit needs: the median of some.
func timeOfSync(folder string) (took time.Duration, err error) {
	file, err := os.Create(filepath.Join(folder, "sync"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	page, all := make([]byte, 4096), make([]time.Duration, 101)
	for i := range all {
		began := time.Now()
		if _, err := file.Write(page); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}
