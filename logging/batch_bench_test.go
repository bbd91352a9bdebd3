package logging_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/runtime/taskconv"
)

// BenchmarkFile is a line in a file, as the runtime writes one for each task, and as a
// program does; each line written at once, and in batches.
func BenchmarkFile(b *testing.B) {
	direct := func(f io.Writer) (io.Writer, func() error) { return f, func() error { return nil } }
	batch := func(f io.Writer) (io.Writer, func() error) {
		out := logging.Batch(f, logging.BatchOptions{})
		return out, out.Close
	}
	for _, c := range []struct {
		name  string
		over  func(io.Writer) (io.Writer, func() error)
		level slog.Level
	}{
		{"direct/info", direct, slog.LevelInfo},
		{"batched/info", batch, slog.LevelInfo},
		{"batched/error", batch, slog.LevelError},
	} {
		for name, body := range map[string]func(slog.Handler, slog.Level) func(){"task": taskLine, "slog": slogLine} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				file, err := os.OpenFile(filepath.Join(b.TempDir(), "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
				if err != nil {
					b.Fatal(err)
				}
				defer file.Close()
				out, end := c.over(file)
				log := body(logging.NewHandler(out, logging.Options{}), c.level)
				b.ReportAllocs()
				for b.Loop() {
					log()
				}
				if err := end(); err != nil {
					b.Error(err)
				}
			})
		}
	}
}

func taskLine(h slog.Handler, l slog.Level) func() {
	short := h.WithAttrs([]slog.Attr{slog.String(taskconv.TaskName, "send_receipt"), slog.String(taskconv.TaskTiming, taskconv.TimingImmediate)}).(tasklog.Handler)
	r := &tasklog.Record{
		Time: at, Level: l, Message: "task succeeded", Event: taskconv.EventSucceeded, Attempt: 1,
		Args: struct{ Order, To string }{"o-17", "ada@example.com"}, Render: render.New(render.Options{}),
		Outcome: taskconv.OutcomeOK, Took: 12345 * time.Microsecond, Queued: 67 * time.Microsecond,
	}
	return func() { _, _ = short.HandleTask(context.Background(), r) }
}

func slogLine(h slog.Handler, l slog.Level) func() {
	logger := slog.New(h)
	return func() {
		logger.LogAttrs(context.Background(), l, "order placed", slog.String("order", "o-17"), slog.Int("items", 3))
	}
}
