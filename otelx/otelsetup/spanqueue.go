package otelsetup

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// flushMarkers is the room that the SDK's queue has beyond ours: its ForceFlush puts a
// marker into it, which stays there while an export hangs, though the caller has left.
const flushMarkers = 64

// spanQueue counts the spans into a batch processor and out of it again. The processor
// drops what does not fit its queue, and keeps the number to itself; so its queue is
// never let become full: spans that find no room here are dropped here, where they are
// counted. That costs a span one atomic addition.
//
// The spans that ended are at any time those exported, waiting, exporting, or lost.
type spanQueue struct {
	sdktrace.SpanProcessor
	limit    int64
	patience time.Duration // how long the end of a span waits for room

	waiting atomic.Int64 // given to the processor, and not by it to the exporter
	losses  *spanLosses

	mu        sync.Mutex    // of a batch's way from waiting to exporting to its end: no sum sees half of it
	exporting int64         // taken by the exporter, and not yet exported or lost
	room      chan struct{} // closed when there is some; nil while nobody waits for it

	closing   chan struct{} // nobody waits for room any more
	closeOnce sync.Once
	closed    atomic.Bool // what is in here was not exported in time
}

// newBatchQueue is a batch processor behind a queue of limit spans.
func newBatchQueue(e sdktrace.SpanExporter, limit int, patience time.Duration, rep *reporter) *spanQueue {
	q := newSpanQueue(int64(limit), patience, rep)
	q.SpanProcessor = sdktrace.NewBatchSpanProcessor(
		queueExporter{e, q}, sdktrace.WithMaxQueueSize(limit+flushMarkers))
	return q
}

// newSyncQueue exports each span when it ends: nothing waits, but exports may fail.
func newSyncQueue(e sdktrace.SpanExporter, rep *reporter) *spanQueue {
	q := newSpanQueue(math.MaxInt64, 0, rep)
	q.SpanProcessor = sdktrace.NewSimpleSpanProcessor(queueExporter{e, q})
	return q
}

func newSpanQueue(limit int64, patience time.Duration, rep *reporter) *spanQueue {
	return &spanQueue{limit: limit, patience: patience, losses: newSpanLosses(rep), closing: make(chan struct{})}
}

// OnEnd passes the span on if there is room for it. Spans that are recorded and not
// sampled are for the program's own processors.
func (q *spanQueue) OnEnd(s sdktrace.ReadOnlySpan) {
	switch {
	case !s.SpanContext().IsSampled():
	case q.enter() || q.patience > 0 && q.await():
		q.SpanProcessor.OnEnd(s)
	default:
		q.losses.queueFull.n.Add(1)
	}
}

func (q *spanQueue) enter() bool {
	if q.waiting.Add(1) <= q.limit {
		return true
	}
	q.waiting.Add(-1)
	return false
}

// await enters when the exporter has made room. It gives up when its patience ends, so
// that an exporter which ends spans itself is held up and not locked up.
func (q *spanQueue) await() bool {
	timer := time.NewTimer(q.patience)
	defer timer.Stop()
	for {
		room := q.nextRoom() // before the try: what is made after it is told by the channel
		if q.enter() {
			return true
		}
		select {
		case <-room:
		case <-timer.C:
			return false
		case <-q.closing:
			return false
		}
	}
}

func (q *spanQueue) nextRoom() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return q.room
}

// Shutdown has the processor export what waits. What ends from here on is not awaited.
func (q *spanQueue) Shutdown(ctx context.Context) error {
	q.closeOnce.Do(func() { close(q.closing) })
	defer q.closed.Store(true)
	return q.SpanProcessor.Shutdown(ctx)
}

// dropped is what was lost so far.
func (q *spanQueue) dropped() *SpansDroppedError {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := &SpansDroppedError{QueueFull: q.losses.queueFull.n.Load(), ExportFailed: q.losses.exportFailed.n.Load()}
	if q.closed.Load() {
		e.Unsent = uint64(q.waiting.Load() + q.exporting)
	}
	return e
}

// queueExporter counts the spans out.
type queueExporter struct {
	sdktrace.SpanExporter
	queue *spanQueue
}

// ExportSpans makes room when it has the spans, not when they are exported: as the
// specification has it, the queue is what waits for that.
func (e queueExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.queue.began(len(spans))
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.queue.exported(len(spans), err)
	e.queue.losses.warn()
	return err
}

func (q *spanQueue) began(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.exporting += int64(n)
	q.waiting.Add(-int64(n))
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

func (q *spanQueue) exported(n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.exporting -= int64(n)
	if err != nil {
		q.losses.exportFailed.n.Add(uint64(n))
	}
}
