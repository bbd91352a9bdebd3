package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/riverqueue/river"
	_ "modernc.org/sqlite"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

// TestSameSettings holds the copies of riverdurable's settings to what it has: they are
// not exported, and a comparison with others would be worth nothing.
func TestSameSettings(t *testing.T) {
	for file, wants := range map[string][]string{
		"session.go": {
			"fetchCooldown = 5 * time.Millisecond", "fetchPoll = 500 * time.Millisecond",
			"FetchOnlyKnownKinds: true", "JobTimeout: -1", "c.ReindexerIndexNames = []string{}",
		},
		"options.go": {"defaultWorkers = 200", "defaultKeep = 24 * time.Hour", "dead: Forever"},
		"engine.go":  {"FetchCooldown: river.FetchCooldownMin", "SkipUnknownJobCheck: true"},
		"enqueue.go": {"maxAttempts = 1<<15 - 1"},
		"sqlite.go":  {"db.SetMaxOpenConns(1)", `"_txlock": {"immediate"}`},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "runtime", "durable", "riverdurable", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(words(string(text)), words(want)) {
				t.Errorf("riverdurable's %s has no %q any more: river.go or sqlite.go of this benchmark has to follow", file, want)
			}
		}
	}
	if durable.DefaultQueue != river.QueueDefault {
		t.Errorf("the default queues are %q and %q", durable.DefaultQueue, river.QueueDefault)
	}
}

// words is the text with single spaces, whatever it is aligned to.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestSameDatabase compares what SQLite itself says of the connections.
func TestSameDatabase(t *testing.T) {
	ctx := context.Background()
	e, err := riverdurable.OpenSQLite(filepath.Join(t.TempDir(), "tasks.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	raw, err := openSQLite(ctx, filepath.Join(t.TempDir(), "tasks.db"), riverSame)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.closing()
	for _, pragma := range []string{"synchronous", "busy_timeout", "wal_autocheckpoint", "cache_size", "mmap_size", "page_size", "temp_store"} {
		var theirs sql.NullInt64
		if err := e.DB().QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&theirs); err != nil {
			t.Fatal(pragma, err)
		}
		ours, err := raw.number(ctx, "PRAGMA "+pragma)
		if err != nil || int64(ours) != theirs.Int64 {
			t.Errorf("PRAGMA %s is %d here and %d in riverdurable (%v)", pragma, ours, theirs.Int64, err)
		}
	}
}
