package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postlude/postlude/benchmarks/internal/contend"
)

// TestMain also is the process of a measurement, as main is.
func TestMain(m *testing.M) {
	if asChild(os.Args) {
		return
	}
	// The goroutines that are there are those of the default pool that ants makes on import.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

var tiny = scale{rounds: 1, tasks: 200, most: 100, paced: 10 * time.Millisecond, httpRequests: 320}

// TestSmoke makes all measurements, tiny and in this process, and writes the report. That
// no task, span or record is missing, they see to themselves: see TestFaults.
func TestSmoke(t *testing.T) {
	r := runner{
		progress: func(string, ...any) {},
		measure:  func(ctx context.Context, s spec, _ string) (values, error) { return s.measure(ctx) },
	}
	sections := tiny.sections()
	got := results{}
	faults := r.run(context.Background(), sections, got)
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	for s, rounds := range got {
		for unit, v := range rounds[0] {
			if math.IsNaN(v) || v < 0 {
				t.Errorf("%s: %v %s", s, v, unit)
			}
		}
	}
	out := &report{scale: tiny, results: got, began: time.Now()}
	text := out.document(sections, nil)
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	if err := out.save(path, text); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		for _, g := range s.groups() {
			for _, m := range g.specs {
				if len(got[m]) != 1 {
					t.Errorf("%s was measured %d times", m, len(got[m]))
				}
			}
		}
	}
	for _, want := range []string{"| by hand, on pond ", "| Postlude, its JSON handler ", "ants v2.", "requests/s", "lateness p99, ms", "| goal "} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	for part := range strings.SplitSeq(text, "](") {
		if file, _, ok := strings.Cut(part, ".svg)"); ok {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), file+".svg")); err != nil {
				t.Errorf("the report shows a picture that is not there: %v", err)
			}
		}
	}
}

// TestChild has a measurement made by a process of its own, with profiles.
func TestChild(t *testing.T) {
	s := spec{Measure: costName, Kind: ourPostlude, Sampling: contend.Sampled, Submitters: 2, N: 100}
	folder := t.TempDir()
	got, err := child(context.Background(), s, folder)
	if err != nil {
		t.Fatal(err)
	}
	if got[allocsPerTask] < 1 || got[wallPerTask] <= 0 {
		t.Errorf("the child measured %v", got)
	}
	if files, err := filepath.Glob(filepath.Join(folder, "cost-Postlude*.prof")); err != nil || len(files) != 2 {
		t.Errorf("its profiles are %v (%v), want two", files, err)
	}
}

// TestChildFails tells what went wrong there.
func TestChildFails(t *testing.T) {
	_, err := child(context.Background(), spec{Measure: costName, Kind: "nobody"}, "")
	if err == nil || !strings.Contains(err.Error(), `there is no contender "nobody"`) {
		t.Errorf("the error is %v", err)
	}
}

// TestSpecTravels: what a child is told is what was planned.
func TestSpecTravels(t *testing.T) {
	seen := map[string]spec{}
	for _, s := range full.sections() {
		for _, g := range s.groups() {
			for _, m := range g.specs {
				text, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				var back spec
				if err := json.Unmarshal(text, &back); err != nil || back != m {
					t.Errorf("%+v comes back as %+v (%v)", m, back, err)
				}
				if other, ok := seen[m.String()]; ok && other != m {
					t.Errorf("%q is the name of %+v and %+v", m, m, other)
				}
				seen[m.String()] = m
			}
		}
	}
}
