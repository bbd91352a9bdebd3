package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// machine describes what the figures are of, besides the databases.
func machine() []string {
	return []string{
		fmt.Sprintf("%d cores (%s), %s/%s", runtime.GOMAXPROCS(0), cpu(), runtime.GOOS, runtime.GOARCH),
		fmt.Sprintf("Go %s, River %s, Postlude at commit %s", strings.TrimPrefix(runtime.Version(), "go"),
			moduleVersion("github.com/riverqueue/river"), commit()),
	}
}

func cpu() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// load is how busy the machine has been in the last minute, measurements included.
func load() (average float64) {
	text, _ := os.ReadFile("/proc/loadavg")  // there is none on other systems
	_, _ = fmt.Sscan(string(text), &average) // it stays 0
	return average
}

func moduleVersion(path string) string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, m := range build.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "of unknown version"
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return cmp.Or(strings.TrimSpace(string(out)), "unknown")
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
