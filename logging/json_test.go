package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/runtime/taskconv"
)

// viaSlog is a record as the runtime hands it to a handler that is not ours.
func viaSlog(r *tasklog.Record) slog.Record {
	out := slog.NewRecord(r.Time, r.Level, r.Message, 0)
	out.AddAttrs(slog.String(taskconv.LogEvent, r.Event))
	if r.Span.IsValid() {
		traceID, spanID, flags := tasklog.SpanText(r.Span)
		out.AddAttrs(slog.String(taskconv.LogTraceID, traceID), slog.String(taskconv.LogSpanID, spanID), slog.String(taskconv.LogTraceFlags, flags))
	}
	out.AddAttrs(slog.String(taskconv.TaskID, string(tasklog.AppendID(nil, r.ID))))
	if r.Attempt > 0 {
		out.AddAttrs(slog.Int(taskconv.TaskAttempt, r.Attempt))
	}
	if r.Render != nil {
		out.AddAttrs(slog.Any(taskconv.TaskArgs, r.Render.JSON(r.Args)))
	}
	out.AddAttrs(r.AppendEnd(nil)...)
	for _, a := range r.Attrs {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.Float64Value(tasklog.Milliseconds(a.Value.Duration()))
		}
		out.AddAttrs(a)
	}
	return out
}

// FuzzShortWay: the short way writes what the long way writes.
func FuzzShortWay(f *testing.F) {
	f.Add("task succeeded", "o-17", "key", "text", int64(1999), 1.5, int64(12_345_678), 1, true)
	f.Add("\x00\xff\u2028\"\\\n\r\t<&>", "", "error", "\xf0\x28", int64(math.MinInt64), math.Inf(1), int64(-1), 0, false)
	f.Add("", "x", "", "é", int64(0), 1e-7, int64(math.MaxInt64), 3, true)
	f.Add("", "x", "msg", "é", int64(0), 1e21, int64(1_000_000), -1, true)
	f.Add("", "x", "a\"b", "", int64(0), math.NaN(), int64(999_999), 3, true)
	renderer := render.New(render.Options{})
	f.Fuzz(func(t *testing.T, msg, arg, key, value string, i int64, x float64, ns int64, attempt int, b bool) {
		r := &tasklog.Record{
			Time: at, Level: slog.Level(attempt), Message: msg, Event: taskconv.EventSucceeded, ID: [16]byte{1, 2, 15: byte(attempt)},
			Attempt: attempt, Args: struct{ A, Password string }{arg, arg}, Render: renderer,
			Attrs: []slog.Attr{
				slog.String(key, value), slog.Int64("i", i), slog.Float64("x", x), slog.Bool("b", b), slog.Duration("took_ms", time.Duration(ns)),
			},
		}
		if b {
			r.Outcome, r.Took, r.Queued = value, time.Duration(ns), time.Duration(i)
			r.Span = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{byte(attempt) | 1}})
		}
		var short, long bytes.Buffer
		definition := []slog.Attr{slog.String(taskconv.TaskName, value), slog.Bool(taskconv.TaskShield, b)}
		h := NewHandler(&short, Options{Format: JSON}).WithAttrs(definition).(tasklog.Handler)
		handled, err := h.HandleTask(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if !handled {
			if short.Len() > 0 {
				t.Fatalf("it was not handled, and yet written: %s", &short)
			}
			return
		}
		_ = NewHandler(&long, Options{Format: JSON}).WithAttrs(definition).Handle(context.Background(), viaSlog(r))
		var got, want map[string]any
		if err := json.Unmarshal(short.Bytes(), &got); err != nil || bytes.Count(short.Bytes(), []byte("\n")) != 1 {
			t.Fatalf("%v\n%q", err, short.Bytes())
		}
		if err := json.Unmarshal(long.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if math.IsNaN(x) || math.IsInf(x, 0) { // slog has an error text there
			delete(got, "x")
			delete(want, "x")
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("short %s long  %s", &short, &long)
		}
	})
}

var at = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)

// TestLongWay: what the short way can't write, it leaves alone.
func TestLongWay(t *testing.T) {
	record := &tasklog.Record{Time: at, Message: "m", Event: taskconv.EventFailed}
	odd := *record
	odd.Attrs = []slog.Attr{slog.Any("list", []int{1})}
	far := *record
	far.Time = time.Date(12_000, 1, 1, 0, 0, 0, 0, time.UTC)
	plain := NewHandler(io.Discard, Options{Format: JSON})
	for name, c := range map[string]struct {
		h slog.Handler
		r *tasklog.Record
	}{
		"another schema":         {NewHandler(io.Discard, Options{Format: JSON, Schema: ECS}), record},
		"the console":            {NewHandler(io.Discard, Options{Format: Console}), record},
		"in a group":             {plain.WithGroup("app"), record},
		"an odd value of With":   {plain.WithAttrs([]slog.Attr{slog.Any("list", []int{1})}), record},
		"an odd value":           {plain, &odd},
		"a time beyond RFC 3339": {plain, &far},
		"another's handler":      {Correlate(slog.NewJSONHandler(io.Discard, nil)), record},
	} {
		if handled, err := c.h.(tasklog.Handler).HandleTask(context.Background(), c.r); handled || err != nil {
			t.Errorf("%s: %v, %v", name, handled, err)
		}
	}
	if handled, err := plain.(tasklog.Handler).HandleTask(context.Background(), record); !handled || err != nil {
		t.Errorf("%v, %v", handled, err)
	}
}

// TestShortWayAllocatesNothing: it is taken once for each task.
func TestShortWayAllocatesNothing(t *testing.T) {
	h := NewHandler(io.Discard, Options{Format: JSON}).WithAttrs([]slog.Attr{slog.String(taskconv.TaskName, "send_receipt")}).(tasklog.Handler)
	r := &tasklog.Record{
		Time: at, Message: "task succeeded", Event: taskconv.EventSucceeded, Attempt: 1, Args: struct{ Order string }{"o-17"}, Render: renderer,
		Attrs: []slog.Attr{slog.String("s", "v"), slog.Duration("d_ms", time.Second)},
	}
	n := testing.AllocsPerRun(100, func() { _, _ = h.HandleTask(context.Background(), r) })
	if n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

// TestShortWayNamesDurations as the long way does, also those of With.
func TestShortWayNamesDurations(t *testing.T) {
	with := []slog.Attr{slog.Duration("wait", time.Second), slog.Duration("took_ms", time.Second)}
	r := &tasklog.Record{Time: at, Message: "m", Event: taskconv.EventFailed}
	var short, long bytes.Buffer
	h := NewHandler(&short, Options{Format: JSON}).WithAttrs(with).(tasklog.Handler)
	if handled, err := h.HandleTask(t.Context(), r); err != nil {
		t.Fatal(err)
	} else if !handled {
		return
	}
	_ = NewHandler(&long, Options{Format: JSON}).WithAttrs(with).Handle(t.Context(), viaSlog(r))
	if short.String() != long.String() {
		t.Errorf("short %s long  %s", &short, &long)
	}
}
