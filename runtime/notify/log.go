package notify

import (
	"context"
	"log/slog"
	"time"

	"github.com/postlude/postlude/internal/render"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Log returns a postlude.Notifier that writes one record of level error for each
// escalation. nil is slog.Default() at the time of the escalation. It is for a logger that
// somebody is called by: the runtime's own has the runtime's task.failed and
// task.escalated already.
//
// The record has the keys of the runtime's records (see taskconv), with the trace and span
// ids of the attempt that failed, and the trace's URL as trace_url. It has no event, so
// that a pipeline that counts those does not count the failure twice.
func Log(logger *slog.Logger) postlude.Notifier { return logNotifier{logger} }

type logNotifier struct{ logger *slog.Logger }

// Notify writes the record. An error is the log handler's.
func (n logNotifier) Notify(ctx context.Context, f *postlude.Failure) error {
	logger := n.logger
	if logger == nil {
		logger = slog.Default()
	}
	// By the handler: the logger's methods swallow its error.
	h := logger.Handler()
	if !h.Enabled(ctx, slog.LevelError) {
		return nil
	}
	r := slog.NewRecord(time.Now(), slog.LevelError, "task escalated to the log", 0)
	r.AddAttrs(traceAttrs(f)...)
	r.AddAttrs(taskAttrs(f)...)
	r.AddAttrs(failureAttrs(f)...)
	return h.Handle(ctx, r)
}

func traceAttrs(f *postlude.Failure) []slog.Attr {
	var attrs []slog.Attr
	if sc := f.SpanContext; sc.IsValid() {
		attrs = append(attrs,
			slog.String(taskconv.LogTraceID, sc.TraceID().String()),
			slog.String(taskconv.LogSpanID, sc.SpanID().String()),
			slog.String(taskconv.LogTraceFlags, sc.TraceFlags().String()))
	}
	if f.TraceURL != "" {
		attrs = append(attrs, slog.String(taskconv.LogTraceURL, f.TraceURL))
	}
	return attrs
}

func taskAttrs(f *postlude.Failure) []slog.Attr {
	task := f.Task()
	attrs := []slog.Attr{slog.String(taskconv.TaskName, task.Name)}
	if f.ID != "" {
		attrs = append(attrs, slog.String(taskconv.TaskID, f.ID))
	}
	if task.Func != "" {
		attrs = append(attrs, slog.String(taskconv.CodeFunctionName, task.Func))
	}
	if task.Timing != "" { // see postlude.Escalate: a SERVER span of a provider's has none
		attrs = append(attrs, slog.String(taskconv.TaskTiming, task.Timing), slog.Bool(taskconv.TaskShield, task.Shield))
	}
	if args := f.RedactedArgs(); args != "" {
		attrs = append(attrs, slog.Any(taskconv.TaskArgs, render.Of(args)))
	}
	return attrs
}

func failureAttrs(f *postlude.Failure) []slog.Attr {
	attrs := []slog.Attr{
		slog.Int(taskconv.TaskAttempt, f.Attempt),
		slog.String(taskconv.TaskOutcome, string(f.Kind)),
		slog.Float64(taskconv.LogDurationMS, float64(f.Elapsed)/float64(time.Millisecond)),
		slog.String(taskconv.ErrorType, f.ErrorType),
		slog.String(taskconv.ExceptionMessage, f.Message()),
	}
	if f.MaxAttempts > 0 {
		attrs = append(attrs, slog.Int(taskconv.TaskMaxAttempts, f.MaxAttempts))
	}
	if f.Stack != "" {
		attrs = append(attrs, slog.String(taskconv.ExceptionStacktrace, f.Stack))
	}
	if f.Suppressed > 0 {
		attrs = append(attrs, slog.Int(taskconv.LogSuppressed, f.Suppressed))
	}
	return attrs
}
