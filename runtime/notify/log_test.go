package notify_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/notify"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

func TestLog(t *testing.T) {
	h := postludetest.New(t, postlude.Config{TraceURL: "http://jaeger/trace/{trace_id}"})
	log := notify.Log(h.Logger())
	_, err := postlude.Go(h.Context(), SendReceipt.With(receipt{Order: "o-17", Password: password}),
		postlude.OnError(postlude.Retry{Max: 1, Base: time.Millisecond}, postlude.Escalate(log), postlude.Escalate(log)))
	if err != nil {
		t.Fatal(err)
	}
	h.Settle()
	var found []map[string]any
	for _, r := range h.Records("") {
		if _, hasEvent := r[taskconv.LogEvent]; !hasEvent {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("records without an event: %v", found)
	}
	r, attempts := found[0], h.Spans("run send_receipt")
	last := attempts[len(attempts)-1].SpanContext()
	for key, want := range map[string]any{
		taskconv.LogLevel: "ERROR", taskconv.LogMessage: "task escalated to the log",
		taskconv.LogTraceID: last.TraceID().String(), taskconv.LogSpanID: last.SpanID().String(),
		"trace_url":       "http://jaeger/trace/" + last.TraceID().String(),
		taskconv.TaskName: "send_receipt", taskconv.TaskTiming: "immediate", taskconv.TaskShield: false,
		taskconv.TaskAttempt: 2.0, taskconv.TaskMaxAttempts: 2.0, taskconv.TaskOutcome: "error",
		taskconv.ErrorType: "*errors.errorString", taskconv.ExceptionMessage: "no route to host",
	} {
		if r[key] != want {
			t.Errorf("%s is %v, want %v", key, r[key], want)
		}
	}
	args, _ := r[taskconv.TaskArgs].(map[string]any)
	if args["Order"] != "o-17" || args["Password"] != "[REDACTED]" {
		t.Errorf("arguments: %v", r[taskconv.TaskArgs])
	}
	if n := len(h.Records(taskconv.EventFailed)); n != 1 {
		t.Errorf("%d records of task.failed", n)
	}
}

func TestLogByDefault(t *testing.T) {
	var buf bytes.Buffer
	defer slog.SetDefault(slog.Default())
	n := notify.Log(nil)
	slog.SetDefault(slog.New(slog.NewJSONHandler(&buf, nil)))
	f := &postlude.Failure{Err: (*brokenError)(nil), Stack: "goroutine 1", Suppressed: 2}
	if err := n.Notify(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"exception.message":"!PANIC: `, `"exception.stacktrace":"goroutine 1"`, `"task.escalation.suppressed":2`} {
		if !strings.Contains(buf.String(), want) {
			t.Errorf("%s is missing in %s", want, &buf)
		}
	}
}

// The escalation has failed if its record was not written.
func TestLogThatFails(t *testing.T) {
	full := errors.New("disk full")
	n := notify.Log(slog.New(failing{slog.DiscardHandler, full}))
	if err := n.Notify(context.Background(), &postlude.Failure{}); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type failing struct {
	slog.Handler
	err error
}

func (h failing) Enabled(context.Context, slog.Level) bool      { return true }
func (h failing) Handle(_ context.Context, _ slog.Record) error { return h.err }

type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }
