package otelsetup

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/postlude/postlude/runtime/taskconv"
)

// SpansDroppedError is in the error of [SDK.Shutdown] if sampled spans were lost since
// the start. The numbers are exact.
type SpansDroppedError struct {
	QueueFull    uint64 // see [SpanQueueSize] and [Config.SpanWait]
	ExportFailed uint64 // all of a batch whose export failed, though the back end may have taken some
	Unsent       uint64 // still in the queue or in an export when Shutdown ran out of time
}

// Error tells the numbers, and what to do about a queue that was full.
func (e *SpansDroppedError) Error() string {
	var parts []string
	for _, p := range []struct {
		n    uint64
		text string
	}{
		{e.QueueFull, "their queue was full, see " + envSpanQueue},
		{e.ExportFailed, "their export failed"},
		{e.Unsent, "there was no time left to export them"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d because %s", p.n, p.text))
		}
	}
	return fmt.Sprintf("%d spans were lost since the start: %s", e.total(), strings.Join(parts, "; "))
}

func (e *SpansDroppedError) total() uint64 { return e.QueueFull + e.ExportFailed + e.Unsent }

// spanLosses counts the spans that were lost, by reason, and warns of them. The
// warnings come from the goroutine that exports: who ends a span does not wait for a
// logger, and a queue that is full is being exported.
type spanLosses struct {
	queueFull, exportFailed loss
	reporter                *reporter
	mu                      sync.Mutex // of the warnings
}

type loss struct {
	reason, text string
	n            atomic.Uint64
	warned       uint64 // of n
	quietUntil   time.Time
}

func newSpanLosses(rep *reporter) *spanLosses {
	l := &spanLosses{reporter: rep}
	l.queueFull.reason, l.queueFull.text = taskconv.ReasonQueueFull, "spans were dropped, as their queue was full"
	l.exportFailed.reason, l.exportFailed.text = taskconv.ReasonExportFailed, "spans were lost, as their export failed"
	return l
}

// warn logs what was lost since the last warning, once a minute for each reason.
func (l *spanLosses) warn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, loss := range []*loss{&l.queueFull, &l.exportFailed} {
		n := loss.n.Load()
		if n == loss.warned {
			continue
		}
		if now := time.Now(); now.After(loss.quietUntil) {
			l.reporter.spansDropped(loss.text, loss.reason, n-loss.warned)
			loss.warned, loss.quietUntil = n, now.Add(reportWindow)
		}
	}
}

// observe registers the metric.
func (l *spanLosses) observe(mp metric.MeterProvider) error {
	full := metric.WithAttributeSet(attribute.NewSet(attribute.String(taskconv.Reason, l.queueFull.reason)))
	failed := metric.WithAttributeSet(attribute.NewSet(attribute.String(taskconv.Reason, l.exportFailed.reason)))
	_, err := mp.Meter(scope).Int64ObservableCounter(taskconv.OTelSpansDropped,
		metric.WithUnit("{span}"),
		metric.WithDescription("Sampled spans that were lost between their end and the back end."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(l.queueFull.n.Load()), full)
			o.Observe(int64(l.exportFailed.n.Load()), failed)
			return nil
		}))
	return err
}
