package postlude

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/otelx"
	"github.com/postlude/postlude/runtime/durable"
)

// ScopeName is the name of the instrumentation scope of all spans and metrics.
const ScopeName = "github.com/postlude/postlude/runtime"

var scopeInfo = instrumentation.Scope{Name: ScopeName}

// The defaults of Config.
const (
	DefaultWorkers        = 1024
	DefaultQueue          = 65_536
	DefaultRouteWait      = 100 * time.Millisecond
	DefaultHandlerTimeout = 5 * time.Second
	DefaultWorkTimeout    = 30 * time.Second

	DefaultEscalationWindow = time.Minute
)

// Config describes a Runtime. The zero Config is a good one.
type Config struct {
	// Workers is how many tasks run at once, at most. Workers are goroutines that are
	// started when they are needed and end when they are idle. Durable tasks that an engine
	// delivers have as many again: neither kind holds up the other. 0: DefaultWorkers.
	Workers int
	// Queue is how many tasks are admitted and not finished, at most: pending, delayed,
	// running, waiting for a retry. Scheduling one more fails with ErrQueueFull. Durable
	// tasks count while they wait for their timing. 0: DefaultQueue.
	Queue int
	// Grace is how long Shutdown lets unshielded tasks go on before it cancels them.
	Grace time.Duration
	// Defaults are the options of every task, before those of its definition.
	Defaults []Option
	// Tasks are definitions that New checks, so that a mistake in one shows at start-up.
	// Of the durable tasks, the runtime runs those that are here.
	Tasks []Definition
	// Engine is the queue of durable tasks. New begins to take jobs from it, if Tasks has
	// durable ones, and they may start before it returns; Shutdown ends that. It is for its
	// opener to close, after Shutdown.
	Engine durable.Engine
	// EnqueueOnly keeps the runtime from running durable tasks: for a web server whose
	// durable tasks are run by other processes.
	EnqueueOnly bool
	// Keep are the context keys whose values a lean context copies, see LeanContext.
	Keep []any
	// Redact are names whose values telemetry masks in arguments at any depth, besides
	// the usual ones (password, token, secret, authorization, cookie, card, ...).
	Redact []string

	// RouteWait is how long Middleware waits, at most, for workers to start a request's
	// after-route tasks. Without a limit, slow tasks could hold up all responses. For a
	// task that has a worker, and is about to start, it waits up to ten times as long.
	// 0: DefaultRouteWait; negative: it does not wait.
	RouteWait time.Duration
	// HandlerTimeout is how long an error handler may take to decide. 0: DefaultHandlerTimeout.
	HandlerTimeout time.Duration
	// WorkTimeout ends the context of work that a handler added to its verdict, and of a
	// notification. What goes on for a second longer is left to itself, and not called
	// again until it returns. 0: DefaultWorkTimeout.
	WorkTimeout time.Duration

	// RetryBudget bounds the retries of all tasks together. The zero value does not.
	RetryBudget RetryBudget
	// EscalationWindow is the time in which failures of the same task name and error type
	// are escalated once; the next escalation tells how many were suppressed.
	// 0: DefaultEscalationWindow; negative: each is escalated.
	EscalationWindow time.Duration
	// TraceURL is where a trace can be looked at, with {trace_id} and {span_id} in it, for
	// Jaeger "http://jaeger:16686/trace/{trace_id}". Escalations contain it.
	TraceURL string

	// Logger takes the records. nil: slog.Default() at the time of New.
	Logger *slog.Logger
	// TracerProvider and MeterProvider take spans and metrics. nil: otel's globals,
	// whether they are set before New or after.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Propagator carries trace context and baggage through the queue of durable tasks. Of
	// the scheduling context, it sees no other values after the response than those of Keep.
	// nil: otel's global one, or W3C's Trace Context and Baggage if none is set there.
	Propagator propagation.TextMapPropagator
}

// Runtime runs tasks. It is made by New, is safe for concurrent use, and is ended by
// Shutdown.
type Runtime struct {
	cfg      Config
	log      slog.Handler
	tracer   trace.Tracer
	meters   *otelx.Instruments
	render   *render.Renderer
	defaults *settings
	queue    *queue
	closures closures
	scope    scope // outside of requests

	// exceptionEvents: failed spans get an exception event, see OTEP 4430.
	exceptionEvents bool

	budget      budget
	escalations escalations
	turns       sync.Map // of untried handlers, see guarded

	known   map[string]*plans   // the durable tasks that it runs
	session durable.Session     // of the engine that delivers them; nil: none
	watch   metric.Registration // of the engine's queues; nil: none

	drain    drain
	mu       sync.Mutex // guards what follows
	stats    map[string]*stats
	failures failures
	blocked  map[*guard]string // handlers that were given up on
}

// New makes a runtime. It registers nothing globally, and starts no goroutine but those of
// an Engine, whose failure to start is its error. Otherwise the error joins all faults of
// the config.
func New(cfg Config) (*Runtime, error) {
	rt := &Runtime{stats: map[string]*stats{}, blocked: map[*guard]string{}, known: map[string]*plans{}}
	rt.scope.rt = rt
	rt.drain.init()
	errs := rt.configure(cfg)
	instruments, err := otelx.NewInstruments(rt.cfg.MeterProvider.Meter(scopeInfo.Name))
	if err != nil {
		errs = append(errs, fmt.Errorf("in Config.MeterProvider: %w", err))
	}
	rt.meters = instruments
	rt.tracer = rt.cfg.TracerProvider.Tracer(scopeInfo.Name)
	rt.log = rt.cfg.Logger.Handler()
	rt.render = render.New(render.Options{Names: cfg.Redact})
	rt.exceptionEvents = wantsExceptionEvents(os.Getenv("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"))
	rt.queue = newQueue(rt.cfg.Workers, rt.cfg.Queue, rt.work)
	errs = append(errs, rt.checkTasks()...)
	if len(errs) > 0 {
		return nil, fmt.Errorf("postlude: invalid config: %w", errors.Join(errs...))
	}
	observed, err := rt.observe()
	if err != nil {
		return nil, fmt.Errorf("postlude: Config.MeterProvider: %w", err)
	}
	if err := rt.startWork(); err != nil {
		err = errors.Join(err, unregister(observed)) // who tries again shall not pile them up
		return nil, fmt.Errorf("postlude: Config.Engine: %w", err)
	}
	return rt, nil
}

// configure fills in the defaults and returns what is wrong.
func (rt *Runtime) configure(cfg Config) (errs []error) {
	natural := func(name string, n int) {
		if n < 0 {
			errs = append(errs, fmt.Errorf("%s is %d: it must be at least 1, or 0 for the default", name, n))
		}
	}
	positive := func(name string, d time.Duration) {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s is %v: it must not be negative", name, d))
		}
	}
	natural("Config.Workers", cfg.Workers)
	natural("Config.Queue", cfg.Queue)
	positive("Config.Grace", cfg.Grace)
	positive("Config.HandlerTimeout", cfg.HandlerTimeout)
	positive("Config.WorkTimeout", cfg.WorkTimeout)
	if err := cfg.RetryBudget.check(); err != nil {
		errs = append(errs, err)
	}

	cfg.Workers = cmp.Or(cfg.Workers, DefaultWorkers)
	cfg.Queue = cmp.Or(cfg.Queue, DefaultQueue)
	cfg.RouteWait = cmp.Or(cfg.RouteWait, DefaultRouteWait)
	cfg.HandlerTimeout = cmp.Or(cfg.HandlerTimeout, DefaultHandlerTimeout)
	cfg.WorkTimeout = cmp.Or(cfg.WorkTimeout, DefaultWorkTimeout)
	cfg.EscalationWindow = cmp.Or(cfg.EscalationWindow, DefaultEscalationWindow)
	rt.budget.RetryBudget = cfg.RetryBudget
	rt.escalations.window = cfg.EscalationWindow
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	rt.cfg = cfg
	rt.defaults = new(settings).withCall(cfg.Defaults)
	if err := rt.defaults.err(); err != nil {
		errs = append(errs, fmt.Errorf("in Config.Defaults: %w", err))
	}
	return errs
}

// checkTasks finds the faults of Config.Tasks, and names that two of them share.
func (rt *Runtime) checkTasks() (errs []error) {
	seen := map[string]bool{}
	for i, d := range rt.cfg.Tasks {
		if d == nil || d.definition() == nil {
			errs = append(errs, fmt.Errorf("in Config.Tasks[%d]: it is nil", i))
			continue
		}
		ps, err := rt.plansOf(Job{def: d.definition()})
		if err == nil {
			err = ps.checkDefinition()
		}
		if err == nil && ps.base.durable {
			rt.known[ps.name] = ps
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("in Config.Tasks[%d]: %w", i, err))
		}
		if seen[d.Name()] {
			errs = append(errs, fmt.Errorf("in Config.Tasks[%d]: a task of the name %q is there already", i, d.Name()))
		}
		seen[d.Name()] = true
	}
	return errs
}

// wantsExceptionEvents reads OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN: who asks for
// exceptions as logs only gets no span events, who asks for both, or for nothing, does.
func wantsExceptionEvents(optIn string) bool {
	events := true
	for v := range strings.SplitSeq(optIn, ",") {
		switch strings.TrimSpace(v) {
		case "logs/dup":
			return true
		case "logs":
			events = false
		}
	}
	return events
}

// Wait blocks until no task is admitted any more: none pending, running or waiting for
// a retry, for a moment at least. It returns ctx's error if that ends first. It does
// not keep anybody from scheduling more: to end a runtime, use Shutdown. Durable tasks in
// the queue of Config.Engine are not waited for.
func (rt *Runtime) Wait(ctx context.Context) error {
	select {
	case <-rt.queue.empty():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
