package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/slogtest"

	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/runtime/taskconv"
)

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	checkObject(t, b)
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return m
}

// back gives the keys that slogtest asks for their own names again.
var back = map[string]string{
	"@timestamp": slog.TimeKey, "log.level": slog.LevelKey, "severity": slog.LevelKey, "message": slog.MessageKey,
}

// inTaskHandler hands a task's context to every record, for slogtest has none.
type inTaskHandler struct{ slog.Handler }

func (h inTaskHandler) Handle(_ context.Context, r slog.Record) error {
	return h.Handler.Handle(inTask(), r)
}

func (h inTaskHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return inTaskHandler{h.Handler.WithAttrs(as)}
}

func (h inTaskHandler) WithGroup(n string) slog.Handler { return inTaskHandler{h.Handler.WithGroup(n)} }

func TestSlogtest(t *testing.T) {
	for name, opts := range presets {
		for _, correlated := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " in a task"}[correlated], func(t *testing.T) {
				var buf bytes.Buffer
				slogtest.Run(t, func(*testing.T) slog.Handler {
					buf.Reset()
					h := logging.NewHandler(&buf, opts)
					if correlated {
						return inTaskHandler{h}
					}
					return h
				}, func(t *testing.T) map[string]any {
					m := decode(t, buf.Bytes())
					for from, to := range back {
						if v, ok := m[from]; ok {
							m[to] = v
						}
					}
					if _, ok := m[taskconv.TaskID]; ok != correlated {
						t.Errorf("task.id: %v, want %v", ok, correlated)
					}
					return m
				})
			})
		}
	}
}

func TestCorrelateAnyHandler(t *testing.T) {
	var buf bytes.Buffer
	h := logging.Correlate(slog.NewJSONHandler(&buf, nil))
	if again := logging.Correlate(h); again != h {
		t.Error("wrapped twice")
	}
	log := slog.New(h).With("a", 1).WithGroup("g").With("b", 2).WithGroup("empty").WithGroup("h")
	log.InfoContext(inTask(), "m", "c", 3)
	got := decode(t, buf.Bytes())
	for key, want := range map[string]any{
		"a": 1.0, "trace_id": traceID, "span_id": spanID, "trace_flags": "01",
		"task.name": "send_receipt", "task.id": "t-17", "task.attempt": 2.0,
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
	g, _ := json.Marshal(got["g"])
	if string(g) != `{"b":2,"empty":{"h":{"c":3}}}` {
		t.Errorf("g = %s", g)
	}
}

// Two loggers derived from one must not write into one another's groups.
func TestCorrelateSiblings(t *testing.T) {
	var buf bytes.Buffer
	parent := logging.New(&buf, logging.Options{}).WithGroup("g").With("p", 1)
	one, two := parent.With("one", 1), parent.With("two", 2)
	for _, tc := range []struct {
		log  *slog.Logger
		want string
	}{{one, `{"one":1,"p":1,"x":0}`}, {two, `{"p":1,"two":2,"x":0}`}} {
		buf.Reset()
		tc.log.InfoContext(inTask(), "m", "x", 0)
		if g, _ := json.Marshal(decode(t, buf.Bytes())["g"]); string(g) != tc.want {
			t.Errorf("g = %s, want %s", g, tc.want)
		}
	}
}

func TestCorrelateAddsNothingTwice(t *testing.T) {
	var buf bytes.Buffer
	h := logging.NewHandler(&buf, logging.Options{})
	name := []slog.Attr{slog.String(taskconv.TaskName, "preset")}
	tests := map[string]struct {
		h     slog.Handler
		attrs []slog.Attr
		name  string
	}{
		"by WithAttrs":      {h.WithAttrs(name), nil, "preset"},
		"by the record":     {h, name, "preset"},
		"user's event":      {h, []slog.Attr{slog.String("event", "login")}, "send_receipt"},
		"user's task event": {h.WithGroup("g"), []slog.Attr{slog.String("event", "task.created"), slog.Int("n", 1)}, "send_receipt"},
		"user's in a group": {h.WithGroup("g"), name, "send_receipt"},
		"runtime's":         {h.WithAttrs(name), runtimes(taskconv.EventStarted), "preset"},
		"runtime's grouped": {h.WithAttrs([]slog.Attr{slog.Int("v", 1)}).WithGroup("app").WithAttrs(name), runtimes(taskconv.EventStarted), "preset"},
	}
	for test, tc := range tests {
		t.Run(test, func(t *testing.T) {
			buf.Reset()
			emit(tc.h, inTask(), slog.LevelInfo, "m", tc.attrs...)
			got := decode(t, buf.Bytes())
			if got["task.name"] != tc.name || got["task.id"] != "t-17" || got["trace_id"] != traceID {
				t.Errorf("got %s", buf.Bytes())
			}
			if _, ok := got["app"]; ok {
				t.Errorf("the runtime's fields are in a group: %s", buf.Bytes())
			}
		})
	}
}

// nowhere takes every record and, unlike slog's handlers, uses no pools, which
// the race detector empties at random.
type nowhere struct{}

func (nowhere) Enabled(context.Context, slog.Level) bool  { return true }
func (nowhere) Handle(context.Context, slog.Record) error { return nil }
func (n nowhere) WithAttrs([]slog.Attr) slog.Handler      { return n }
func (n nowhere) WithGroup(string) slog.Handler           { return n }

func TestCorrelateAllocatesNothingOutsideOfTasks(t *testing.T) {
	ctx := context.Background()
	for name, h := range map[string]slog.Handler{
		"plain": logging.Correlate(nowhere{}),
		"group": logging.Correlate(nowhere{}).WithGroup("g"),
	} {
		r := slog.NewRecord(at, slog.LevelInfo, "m", 0)
		r.AddAttrs(slog.Int("a", 1), slog.String("b", "c"))
		if n := testing.AllocsPerRun(100, func() { _ = h.Handle(ctx, r) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		var none context.Context // some callers pass nil
		if err := h.Handle(none, r); err != nil {
			t.Error(err)
		}
	}
}

func TestLinesNeverInterleave(t *testing.T) {
	for name, opts := range presets {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer // not safe itself: the race detector tells if the lock is missing
			h := logging.NewHandler(&buf, opts)
			concurrently(h)
			for line := range bytes.Lines(buf.Bytes()) {
				checkObject(t, line)
			}
		})
	}
	t.Run("console", func(t *testing.T) {
		var buf bytes.Buffer
		concurrently(logging.NewHandler(&buf, logging.Options{Format: logging.Console}))
		for record := range bytes.SplitSeq(buf.Bytes(), []byte("05:06:07.089 ERR task failed")) {
			if _, after, ok := bytes.Cut(record, []byte("goroutine 7")); ok && !bytes.Contains(after, []byte("mail.go:42 +0x1d\n")) {
				t.Errorf("torn stack: %s", record)
			}
		}
	})
}

func concurrently(h slog.Handler) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				writeAll(h)
			}
		})
	}
	wg.Wait()
}

func BenchmarkCorrelate(b *testing.B) {
	for name, ctx := range map[string]context.Context{"outside": context.Background(), "task": inTask()} {
		b.Run(name, func(b *testing.B) {
			log := logging.New(io.Discard, logging.Options{Format: logging.JSON})
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(ctx, slog.LevelInfo, "m", slog.String("a", "b"))
			}
		})
	}
}
