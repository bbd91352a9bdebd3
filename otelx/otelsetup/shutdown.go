package otelsetup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/otelx"
)

// ShutdownTimeout bounds [SDK.Shutdown] when its context has no deadline. The SDK's
// own limit is 30 seconds for each batch, longer than most orchestrators wait before
// they kill a process.
const ShutdownTimeout = 10 * time.Second

// closeGrace is for exporters that ignore their context. The others end at once.
const closeGrace = time.Second

// SDK is what [Start] or [New] has set up. After Start its fields are also OpenTelemetry's
// globals; they are for programs that pass providers explicitly. Don't assign to them.
type SDK struct {
	TracerProvider trace.TracerProvider // an *otelx.TracerProvider, unless the SDK is disabled
	MeterProvider  metric.MeterProvider
	LoggerProvider log.LoggerProvider
	Propagator     propagation.TextMapPropagator
	Resource       *resource.Resource // what every span, metric and record says about this process

	spans *spanQueue // nil: they go nowhere
	stop  *stopper   // nil: disabled
	once  sync.Once
	err   error
}

// SpansDropped is how many sampled spans were lost since the start: those that found the
// queue full, and those whose export failed; after Shutdown, also those it had no time
// for. The metric otel.spans.dropped tells them apart, and a record with the event
// otel.spans_dropped tells of them, at most once a minute for each reason.
func (s *SDK) SpansDropped() uint64 {
	if s.spans == nil {
		return 0
	}
	return s.spans.dropped().total()
}

// Shutdown exports what is queued and closes the three providers. It blocks until
// that is done or ctx ends; a ctx without a deadline is given [ShutdownTimeout].
// Exports that are still running then are cut off, which takes at most a second more,
// and usually none.
//
// The error joins what the providers return with what they only report to the error
// handler, which is all that is ever heard of spans that could not be exported. So an
// error usually means that telemetry was lost on the way down. Of spans it also tells how
// many were lost since the start, as a [*SpansDroppedError]; what else was lost before
// has been logged. It is news for operators, not a reason to exit with another code.
//
// It runs once. Later calls wait for the first, and return its error.
func (s *SDK) Shutdown(ctx context.Context) error {
	s.once.Do(func() {
		if s.stop != nil {
			s.err = s.stop.run(ctx)
		}
	})
	return s.err
}

// stopper owns the way down.
type stopper struct {
	traces   *otelx.TracerProvider
	metrics  *sdkmetric.MeterProvider
	logs     *sdklog.LoggerProvider
	spans    *spanQueue // nil: they go nowhere
	cutoff   *cutoff
	reporter *reporter
}

// run flushes the signals side by side, so that a back end that hangs for one does
// not use up the time of the others. Logs are closed last: the reports about the
// others' losses may pass through them.
func (s *stopper) run(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ShutdownTimeout)
		defer cancel()
	}
	s.reporter.collect()

	var traceErr, metricErr, flushErr error
	var wg sync.WaitGroup
	wg.Go(func() { traceErr = signalError("traces", s.traces.Shutdown(ctx)) })
	wg.Go(func() { metricErr = signalError("metrics", s.metrics.Shutdown(ctx)) })
	wg.Go(func() { flushErr = signalError("logs", s.logs.ForceFlush(ctx)) })
	wg.Wait()
	logErr := signalError("logs", s.closeLogs(ctx))

	reported := s.reporter.collected()
	return errors.Join(distinct(append([]error{traceErr, metricErr, flushErr, logErr, s.lost()}, reported...))...)
}

// lost is the error about spans that were lost.
func (s *stopper) lost() error {
	if s.spans == nil {
		return nil
	}
	if e := s.spans.dropped(); e.total() > 0 {
		return signalError("traces", e)
	}
	return nil
}

// closeLogs also ends what did not end in time. The provider does not even stop its
// processors' goroutines when ctx has ended: so cut their exports off first, and then
// close without a context that has ended.
func (s *stopper) closeLogs(ctx context.Context) error {
	defer s.cutoff.now()
	if ctx.Err() == nil {
		return s.logs.Shutdown(ctx)
	}
	s.cutoff.now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	return s.logs.Shutdown(ctx)
}

func signalError(signal string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("otelsetup: %s: %w", signal, err)
}

// distinct drops nils and errors that read like an earlier one: with an endpoint
// down, every batch fails in the same words.
func distinct(errs []error) []error {
	seen := make(map[string]bool, len(errs))
	var out []error
	for _, err := range errs {
		if err == nil || seen[err.Error()] {
			continue
		}
		seen[err.Error()] = true
		out = append(out, err)
	}
	return out
}
