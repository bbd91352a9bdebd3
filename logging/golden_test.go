package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/internal/taskctx"
	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/runtime/taskconv"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)

type task struct{}

func (task) TaskName() string { return "send_receipt" }
func (task) TaskID() string   { return "t-17" }
func (task) TaskAttempt() int { return 2 }

// inTrace is the context of a request, inTask that of a task.
func inTrace(ctx context.Context) context.Context {
	t, _ := trace.TraceIDFromHex(traceID)
	s, _ := trace.SpanIDFromHex(spanID)
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: t, SpanID: s, TraceFlags: trace.FlagsSampled,
	}))
}

func inTask() context.Context {
	return context.WithValue(inTrace(context.Background()), taskctx.Key, task{})
}

func emit(h slog.Handler, ctx context.Context, l slog.Level, msg string, attrs ...slog.Attr) {
	r := slog.NewRecord(at, l, msg, 0)
	r.AddAttrs(attrs...)
	if h.Enabled(ctx, l) {
		_ = h.Handle(ctx, r)
	}
}

// runtimes makes a record as the runtime does: the event first, all ids on it.
func runtimes(event string, more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{
		slog.String(taskconv.LogEvent, event),
		slog.String(taskconv.LogTraceID, traceID),
		slog.String(taskconv.LogSpanID, spanID),
		slog.String(taskconv.LogTraceFlags, "01"),
		slog.String(taskconv.TaskID, "t-17"),
		slog.Int(taskconv.TaskAttempt, 2),
		slog.Bool(taskconv.TaskShield, false),
	}, more...)
}

var args = slog.Any(taskconv.TaskArgs, render.Of(`{"order":"o-17","to":["a@b.c","d@e.f"],"lines":[{"sku":"x y"}],"card":"[REDACTED]"}`))

const stack = "goroutine 7 [running]:\nmain.send(0x1)\n\t/src/mail.go:42 +0x1d\n"

// writeAll logs what a service with tasks logs.
func writeAll(h slog.Handler) {
	ctx := inTask()
	rt := h.WithAttrs([]slog.Attr{
		slog.String(taskconv.TaskName, "send_receipt"),
		slog.String(taskconv.TaskTiming, taskconv.TimingAfterResponse),
	})
	emit(rt, ctx, slog.LevelInfo, "task succeeded", runtimes(taskconv.EventSucceeded, args,
		slog.Float64(taskconv.LogDurationMS, 3.1415), slog.Float64(taskconv.LogQueueDelayMS, 0.25),
		slog.String(taskconv.TaskOutcome, taskconv.OutcomeOK))...)
	emit(rt, ctx, slog.LevelError, "task failed", runtimes(taskconv.EventFailed, args,
		slog.Float64(taskconv.LogDurationMS, 12345.6),
		slog.String(taskconv.TaskOutcome, taskconv.OutcomePanic),
		slog.String(taskconv.TaskVerdict, taskconv.VerdictEscalate),
		slog.String(taskconv.TaskVerdictHandler, "pager"),
		slog.String(taskconv.ErrorType, "runtime.boundsError"),
		slog.String(taskconv.ExceptionMessage, "index out of range"),
		slog.String(taskconv.ExceptionStacktrace, stack))...)
	emit(rt, ctx, slog.LevelWarn, "task failed, will retry", runtimes(taskconv.EventRetrying,
		slog.String(taskconv.TaskVerdict, taskconv.VerdictRetry),
		slog.Float64(taskconv.LogRetryDelayMS, 1500),
		slog.String(taskconv.ErrorType, "*net.OpError"),
		slog.String(taskconv.ExceptionMessage, "dial tcp: refused"))...)

	emit(h, ctx, slog.LevelInfo, "mail sent", slog.String("to", "a@b.c"), slog.Duration("smtp", 1234567*time.Nanosecond))
	emit(h.WithGroup("smtp").WithAttrs([]slog.Attr{slog.Int("port", 25)}), ctx, slog.LevelWarn, "slow server",
		slog.Duration("wait", time.Second), slog.Group("tls", slog.Bool("ok", true)))
	err := fmt.Errorf("send: %w", &net.OpError{Op: "dial", Err: errors.New("refused")})
	emit(h, ctx, slog.LevelError, "mail lost", slog.Any("error", err))
	emit(h, context.Background(), slog.LevelInfo, "no task here", slog.Any("order", logging.Redact(map[string]any{"id": 1, "token": "hunter2"})))
	emit(h, inTrace(context.Background()), slog.LevelInfo, "in a request", slog.Any("err", nil), slog.String("message", "the user's"))
}

var presets = map[string]logging.Options{
	"otel": {},
	"ecs":  {Schema: logging.ECS},
	"gcp":  {Schema: logging.GCP, Project: "shop"},
}

func TestGolden(t *testing.T) {
	all := map[string]logging.Options{"console": {Format: logging.Console}}
	for name, opts := range presets {
		all[name] = opts
	}
	for name, opts := range all {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			writeAll(logging.NewHandler(&buf, opts))
			golden(t, name, buf.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s; if that is meant, run with -update\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

// What a pipeline needs: one object on each line, and no key twice.
func TestLinesAreObjects(t *testing.T) {
	for name, opts := range presets {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			writeAll(logging.NewHandler(&buf, opts))
			lines := bytes.Split(bytes.TrimSuffix(buf.Bytes(), []byte("\n")), []byte("\n"))
			if len(lines) != 8 {
				t.Errorf("%d lines, want 8", len(lines))
			}
			for _, line := range lines {
				checkObject(t, line)
			}
		})
	}
}

// checkObject fails unless line is one JSON object, in which no key occurs twice.
func checkObject(t *testing.T, line []byte) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(line))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		t.Errorf("not an object: %s", line)
		return
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		var v any
		if err == nil {
			err = dec.Decode(&v)
		}
		if err != nil {
			t.Errorf("%v: %s", err, line)
			return
		}
		key := tok.(string)
		if seen[key] {
			t.Errorf("%s twice: %s", key, line)
		}
		if key == "error" || key == "err" {
			t.Errorf("bare %s: %s", key, line)
		}
		seen[key] = true
	}
	if _, err := dec.Token(); err != nil {
		t.Errorf("%v: %s", err, line)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Errorf("more than an object: %s", line)
	}
}
