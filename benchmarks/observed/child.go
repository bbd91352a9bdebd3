package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/machine"
)

// Each measurement has a process of its own: heap, stacks and the scheduler's state are
// those of one contender, and CPU time is counted by process.

// childArg makes a process a child. What it is to measure comes after it.
const childArg = "measure-one"

// asChild makes one measurement, if args say so, and prints what came of it, or serves one. It
// returns false in the process that the user started.
func asChild(args []string) bool {
	var err error
	switch {
	case len(args) > 2 && args[1] == childArg:
		err = measureOne(args[2], args[3:])
	case len(args) > 2 && args[1] == serveArg:
		err = serve(args[2])
	default:
		return false
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func measureOne(text string, profiles []string) (err error) {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	if len(profiles) > 0 {
		end, err := profile(profiles[0])
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	before := machine.Handover()
	got, err := s.measure(context.Background())
	if err != nil {
		return err
	}
	got.handovers(before, machine.Handover())
	return json.NewEncoder(os.Stdout).Encode(got)
}

// child has a new process measure s. With profiles, a folder, it leaves a CPU profile and
// one of allocations there.
func child(ctx context.Context, s spec, profiles string) (got values, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	args := []string{childArg, string(text)}
	if profiles != "" {
		args = append(args, filepath.Join(profiles, fileName(s.String())))
	}
	// The child has its own time limit, and knows better what it hangs on.
	ctx, cancel := context.WithTimeout(ctx, patience+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", s, err, lastLines(complaints.String(), 20))
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return nil, fmt.Errorf("%s: its process printed %q: %w", s, out.String(), err)
	}
	return got, nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// fileName is a name with what a shell and all file systems take as it is.
func fileName(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, text)
}

// profile begins profiles of this process.
func profile(path string) (end func() error, err error) {
	cpu, err := os.Create(path + ".cpu.prof")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, errors.Join(err, cpu.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		allocs, err := os.Create(path + ".allocs.prof")
		if err != nil {
			return errors.Join(err, cpu.Close())
		}
		return errors.Join(cpu.Close(), pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close())
	}, nil
}
