package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/postlude/postlude/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSmoke makes all measurements, small, and writes the report. That all variants did
// the same jobs, each once, and that Postlude was observed, the measurements see to
// themselves: see TestFaults.
func TestSmoke(t *testing.T) {
	for _, tc := range []struct {
		name    string
		backend func(t *testing.T) backend
	}{
		{"SQLite", func(t *testing.T) backend { return sqliteFiles{t.TempDir()} }},
		{"PostgreSQL", func(t *testing.T) backend {
			url := os.Getenv("TEST_DATABASE_URL")
			if url == "" {
				url = pgtest.Start(t).URL()
			}
			return &postgresServer{url: url}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.name == "SQLite" && raceEnabled {
				t.Skip("SQLite is Go here, and takes half a minute under the race detector; what is measured is the same with PostgreSQL")
			}
			r := runner{scale: smoke, backends: []backend{tc.backend(t)}, progress: t.Logf}
			got, err := r.report(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range r.measurements() {
				for _, v := range m.variants {
					for _, values := range got.results[key{tc.name, m.name, v.name}] {
						for i, f := range m.figures {
							if values[i] <= 0 && f != cpuPerJob { // which not all systems tell
								t.Errorf("%s, %s: %v %s", m.name, v.name, values[i], f.unit)
							}
						}
					}
					if n := len(got.results[key{tc.name, m.name, v.name}]); n != r.rounds {
						t.Errorf("%s, %s: measured %d times, want %d", m.name, v.name, n, r.rounds)
					}
				}
			}
			for _, want := range []string{"## Figures", tc.name, "River v0", "Insert, 8 goroutines", "p99, ms", "go run ./durable", "Postlude works"} {
				if !strings.Contains(got.document(), want) {
					t.Errorf("the report lacks %q:\n%s", want, got.document())
				}
			}
		})
	}
}
