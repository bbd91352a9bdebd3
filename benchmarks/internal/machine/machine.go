// Package machine tells what a benchmark's figures are of, and what the process used.
package machine

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// Cores describes the processor.
func Cores() string {
	return fmt.Sprintf("%d cores (%s), %s/%s", runtime.GOMAXPROCS(0), CPU(), runtime.GOOS, runtime.GOARCH)
}

// Go is the version of the toolchain that built the program.
func Go() string { return strings.TrimPrefix(runtime.Version(), "go") }

// CPU is the name of the processor.
func CPU() string {
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

// Load is how busy the machine has been in the last minute, measurements included.
func Load() (average float64) {
	text, _ := os.ReadFile("/proc/loadavg")  // there is none on other systems
	_, _ = fmt.Sscan(string(text), &average) // it stays 0
	return average
}

// Version is that of a module that the program was built with.
func Version(path string) string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, m := range build.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "of unknown version"
}

// Commit is that of the working copy, or "unknown".
func Commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return cmp.Or(strings.TrimSpace(string(out)), "unknown")
}
