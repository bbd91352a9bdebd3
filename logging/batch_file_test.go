package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/runtime/taskconv"
)

// A pipe whose reader is slow: each line arrives, whole and in the order of its writer.
func TestBatchPipe(t *testing.T) {
	const writers, each = 8, 2000
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b := logging.Batch(w, logging.BatchOptions{Size: 4096})
	var wg sync.WaitGroup
	for id := range writers {
		wg.Go(func() {
			for i := range each {
				write(t, b, fmt.Sprintf("%d %d %s\n", id, i, strings.Repeat("x", 50+i%50)))
			}
		})
	}
	go func() {
		wg.Wait()
		if err := errors.Join(b.Close(), w.Close()); err != nil {
			t.Error(err)
		}
	}()
	var all bytes.Buffer
	for buf := make([]byte, 97); ; { // a system call for each line or so: slower than its writers
		n, err := r.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			break
		}
	}
	r.Close()
	next := [writers]int{}
	for line := range strings.Lines(all.String()) {
		var id, i int
		var x string
		if _, err := fmt.Sscanf(line, "%d %d %s\n", &id, &i, &x); err != nil || i != next[id] || len(x) != 50+i%50 {
			t.Fatalf("%v: line %q, want number %d", err, line, next[id])
		}
		next[id]++
	}
	if next != [writers]int{each, each, each, each, each, each, each, each} {
		t.Errorf("%v lines", next)
	}
}

// A real file, many goroutines, both ways of the handler: each line is there, whole, in the
// order of its goroutine.
func TestBatchFile(t *testing.T) {
	const writers = 64
	each := 1600
	if testing.Short() {
		each = 200
	}
	name := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	b := logging.Batch(file, logging.BatchOptions{})
	h := logging.NewHandler(b, logging.Options{})
	var wg sync.WaitGroup
	for id := range writers {
		wg.Go(func() { logLines(t, h, id, each) })
	}
	wg.Wait()
	if err := errors.Join(b.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var next [writers]int
	lines := 0
	for line := range bytes.Lines(all) {
		var got struct{ Writer, I int }
		if err := json.Unmarshal(line, &got); err != nil || got.I != next[got.Writer] {
			t.Fatalf("%v: %s, want number %d", err, line, next[got.Writer])
		}
		next[got.Writer]++
		lines++
	}
	if lines != writers*each {
		t.Errorf("%d of %d lines", lines, writers*each)
	}
}

// logLines logs n lines, by turns as a user and as the runtime; every 100th is an error.
func logLines(t *testing.T, h slog.Handler, id, n int) {
	h = h.WithAttrs([]slog.Attr{slog.Int("writer", id)})
	logger, short := slog.New(h), h.(tasklog.Handler)
	for i := range n {
		level := slog.LevelInfo
		if i%100 == 99 {
			level = slog.LevelError
		}
		if i%2 == 0 {
			logger.LogAttrs(context.Background(), level, "m", slog.Int("i", i))
			continue
		}
		r := &tasklog.Record{Time: time.Now(), Level: level, Event: taskconv.EventSucceeded, Attrs: []slog.Attr{slog.Int("i", i)}}
		if handled, err := short.HandleTask(context.Background(), r); !handled || err != nil {
			t.Errorf("HandleTask = %v, %v", handled, err)
		}
	}
}
