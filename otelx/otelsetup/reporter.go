package otelsetup

import (
	"context"
	"log/slog"
	"sync"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/postlude/postlude/runtime/taskconv"
)

const (
	// reportWindow and reportLimit bound the log lines: an outage of the back end
	// makes an error for each batch, and often each names another local port.
	reportWindow = time.Minute
	reportLimit  = 5

	// collectLimit bounds what Shutdown returns.
	collectLimit = 16
)

// reporter is OpenTelemetry's error handler: the only place where the SDK tells that
// spans could not be exported. It logs a few of them and, while Shutdown runs, keeps
// them for its error.
type reporter struct {
	logger *slog.Logger // nil: slog.Default(), asked anew for each line

	mu         sync.Mutex
	windowEnd  time.Time
	seen       map[string]bool // messages of this window that were logged
	suppressed int             // errors since the last line
	collecting bool
	errs       []error
}

// Handle implements otel.ErrorHandler.
//
// The logger is called without the lock, after the message has been counted: if it is
// bridged to OpenTelemetry logs and that fails, too, the nested call finds the
// message seen, or in the worst case the limit reached, and the recursion ends.
func (r *reporter) Handle(err error) {
	if err == nil {
		return
	}
	suppressed, ok := r.admit(err)
	if !ok {
		return
	}
	r.warn("opentelemetry reported an error",
		slog.String(taskconv.LogEvent, taskconv.OTelError),
		slog.String(taskconv.ErrorType, semconv.ErrorType(err).Value.AsString()),
		slog.String(taskconv.ExceptionMessage, err.Error()),
		slog.Int(taskconv.OTelSuppressed, suppressed))
}

// spansDropped is for losses that the SDK does not report. They have a limit of their own.
func (r *reporter) spansDropped(text, reason string, n uint64) {
	r.warn(text,
		slog.String(taskconv.LogEvent, taskconv.OTelSpansDroppedEvent),
		slog.String(taskconv.Reason, reason),
		slog.Uint64(taskconv.OTelSpansDropped, n))
}

func (r *reporter) warn(text string, attrs ...slog.Attr) {
	logger := r.logger
	if logger == nil {
		logger = slog.Default()
	}
	// No span in this context: a report must not become part of somebody's trace.
	logger.LogAttrs(context.Background(), slog.LevelWarn, text, attrs...)
}

// admit tells whether err is logged, and how many were not since the last line.
func (r *reporter) admit(err error) (suppressed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.collecting && len(r.errs) < collectLimit {
		// Distinct at once, lest a thousand batches that fail alike fill the limit.
		r.errs = distinct(append(r.errs, err))
	}
	if now := time.Now(); now.After(r.windowEnd) {
		r.windowEnd = now.Add(reportWindow)
		r.seen = make(map[string]bool, reportLimit)
	}
	if r.seen[err.Error()] || len(r.seen) == reportLimit {
		r.suppressed++
		return 0, false
	}
	r.seen[err.Error()] = true
	suppressed, r.suppressed = r.suppressed, 0
	return suppressed, true
}

// collect begins to keep errors.
func (r *reporter) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collecting = true
}

// collected ends it, and returns what was kept.
func (r *reporter) collected() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := r.errs
	r.collecting, r.errs = false, nil
	return errs
}
