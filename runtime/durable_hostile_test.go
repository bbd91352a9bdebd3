package postlude_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// delivered has a new runtime carry out one attempt, and returns its outcome.
func delivered(t *testing.T, ctx context.Context, cfg postlude.Config, task postlude.Definition, d durable.Delivery) (durable.Outcome, *postludetest.Harness) {
	t.Helper()
	e := &captive{Engine: durabletest.NewEngine()}
	cfg.Engine, cfg.Tasks = e, []postlude.Definition{task}
	h := postludetest.New(t, cfg)
	d.Task, d.Attempt = task.Name(), max(d.Attempt, 1)
	if d.Args == nil {
		d.Args = json.RawMessage(`{}`)
	}
	if d.Envelope == nil {
		d.Envelope = json.RawMessage(goodEnvelope)
	}
	return e.do(ctx, d), h
}

// endedBy returns a context that ends after a second.
func endedBy(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(sec, func() { cancel(cause) })
	return ctx
}

// TestInterrupted: an attempt that was to end is handed back, however it ends; a job that
// was canceled is canceled, whatever a handler says.
func TestInterrupted(t *testing.T) {
	again := verdict("again", postlude.RetryAfter(sec), new(tracer))
	ends := map[string]func(ctx context.Context) error{
		"with the context's error": func(ctx context.Context) error { return ctx.Err() },
		"with another error":       func(context.Context) error { return errBoom },
		"in panic":                 func(ctx context.Context) error { panic(ctx.Err()) },
		"with Goexit":              func(context.Context) error { runtime.Goexit(); return nil },
		"in cleaning up":           func(context.Context) error { return fmt.Errorf("rolling back: %w", context.DeadlineExceeded) },
	}
	for _, c := range []struct {
		cause error
		want  durable.Action
	}{
		{durable.ErrLost, durable.Requeue}, {context.DeadlineExceeded, durable.Requeue}, {durable.ErrCanceled, durable.Cancel},
	} {
		for how, end := range ends {
			t.Run(fmt.Sprint(c.cause, " ", how), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					task := billing(func(ctx context.Context, _ bill) error { <-ctx.Done(); return end(ctx) },
						postlude.OnError(again), postlude.Timeout(time.Hour))
					o, h := delivered(t, endedBy(c.cause), postlude.Config{}, task, durable.Delivery{})
					panicked := how == "in panic" || how == "with Goexit" || how == "in cleaning up"
					if o.Action != c.want && !(c.want == durable.Cancel && panicked && o.Action == durable.Fail) {
						t.Errorf("outcome %+v", o)
					}
					if c.want == durable.Requeue && len(h.Records(taskconv.EventRequeued)) != 1 {
						t.Errorf("records %v", h.Records(""))
					}
				})
			})
		}
	}
	t.Run("after its Timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			task := billing(func(ctx context.Context, _ bill) error {
				<-ctx.Done()
				time.Sleep(2 * sec) // the interruption comes after
				return ctx.Err()
			}, postlude.Timeout(sec/2))
			if o, _ := delivered(t, endedBy(durable.ErrLost), postlude.Config{}, task, durable.Delivery{}); o.Action != durable.Fail {
				t.Errorf("outcome %+v", o)
			}
		})
	})
}

// goexitJSON ends its goroutine when it is decoded.
type goexitJSON struct{ N int }

func (*goexitJSON) UnmarshalJSON([]byte) error { runtime.Goexit(); return nil }

// goexitError ends the goroutine that wants to know what it says.
type goexitError struct{}

func (goexitError) Error() string { runtime.Goexit(); return "" }

// goexitLog ends the goroutine that records an event.
type goexitLog struct {
	slog.Handler
	event string
}

func (goexitLog) Enabled(context.Context, slog.Level) bool { return true }
func (l goexitLog) WithAttrs([]slog.Attr) slog.Handler     { return l }

func (l goexitLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.String() == l.event {
			runtime.Goexit()
		}
		return true
	})
	return nil
}

type nilPropagator struct{ propagation.TextMapPropagator }

func (nilPropagator) Extract(context.Context, propagation.TextMapCarrier) context.Context { return nil }

// TestHostileDelivery: whatever user code does on the way, the engine hears what is to
// become of the job.
func TestHostileDelivery(t *testing.T) {
	failing := billing(func(context.Context, bill) error { return errBoom }, postlude.OnError(postlude.Retry{Max: 3}))
	good := billing(nothing)
	for name, c := range map[string]struct {
		task postlude.Definition
		cfg  postlude.Config
		want durable.Action
	}{
		"arguments that end the goroutine": {postlude.Define("a", func(context.Context, goexitJSON) error { return nil }, postlude.Durable()), postlude.Config{}, durable.Fail},
		"an error that ends it":            {billing(func(context.Context, bill) error { return goexitError{} }), postlude.Config{}, durable.Fail},
		"a record of the retry that does":  {failing, postlude.Config{Logger: slog.New(goexitLog{slog.DiscardHandler, taskconv.EventRetrying})}, durable.Retry},
		"a record of success that does":    {good, postlude.Config{Logger: slog.New(goexitLog{slog.DiscardHandler, taskconv.EventSucceeded})}, durable.Done},
		"a propagator that returns nil":    {good, postlude.Config{Propagator: nilPropagator{}}, durable.Done},
	} {
		t.Run(name, func(t *testing.T) {
			if o, _ := delivered(t, t.Context(), c.cfg, c.task, durable.Delivery{}); o.Action != c.want {
				t.Errorf("outcome %+v", o)
			}
		})
	}
}

// TestSecretsThatDontFit: arguments that can't be decoded are shown without their values.
func TestSecretsThatDontFit(t *testing.T) {
	type pin struct {
		Nick int `json:"nick" log:"secret"`
	}
	task := postlude.Define("pin", func(context.Context, pin) error { return nil }, postlude.Durable())
	n := new(notifier)
	o, h := delivered(t, t.Context(), postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.Escalate(n))}}, task,
		durable.Delivery{Job: durable.Job{Args: json.RawMessage(`{"nick":"sesame"}`)}})
	shown, err := json.Marshal(h.Records(""))
	if err != nil || len(n.told) != 1 {
		t.Fatal(err, n.told)
	}
	for _, s := range []string{string(shown), attributeText(one(t, h, "run pin")), n.told[0].RedactedArgs(), o.Error, string(o.State)} {
		if strings.Contains(s, "sesame") {
			t.Errorf("leaks: %s", s)
		}
	}
}

// TestMemory: attempts by a release that could not read the task are none of its own, and
// a memory that can't be read is no reason to give up.
func TestMemory(t *testing.T) {
	failing := billing(func(context.Context, bill) error { return errBoom }, postlude.OnError(postlude.Retry{Max: 3}))
	var state json.RawMessage
	for attempt := 1; attempt <= 4; attempt++ {
		o, _ := delivered(t, t.Context(), postlude.Config{}, failing, durable.Delivery{
			Job: durable.Job{Envelope: json.RawMessage(nextEnvelope)}, Attempt: attempt, State: state,
		})
		if want := time.Minute << (attempt - 1); o.Action != durable.Retry || o.Delay != want {
			t.Errorf("refusal %d: %+v", attempt, o)
		}
		state = o.State
	}
	o, h := delivered(t, t.Context(), postlude.Config{}, failing, durable.Delivery{Attempt: 5, State: state})
	if got := attrOf(one(t, h, "run bill"), taskconv.TaskAttempt).AsInt64(); got != 1 || o.Action != durable.Retry {
		t.Errorf("attempt %d, %+v", got, o)
	}
	for name, c := range map[string]struct {
		state   string
		attempt int
		want    durable.Action
	}{
		"unknown format":        {`{"v":2,"last":{}}`, 30, durable.Done},
		"no JSON":               {`{`, 30, durable.Done},
		"counted anew":          {`{"v":1,"last":40}`, 3, durable.Done},
		"died in the last ten":  {`{"v":1,"last":3}`, 14, durable.Fail},
		"died in the last nine": {`{"v":1,"last":3}`, 13, durable.Done},
		"died anew":             {`{"v":1,"last":40}`, 11, durable.Fail},
	} {
		o, _ := delivered(t, t.Context(), postlude.Config{}, billing(nothing), durable.Delivery{Attempt: c.attempt, State: json.RawMessage(c.state)})
		if o.Action != c.want {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// pairs counts what a processor that is not ours sees.
type pairs struct{ start, ending, end atomic.Int32 }

func (p *pairs) OnStart(context.Context, sdktrace.ReadWriteSpan) { p.start.Add(1) }
func (p *pairs) OnEnding(sdktrace.ReadWriteSpan)                 { p.ending.Add(1) }
func (p *pairs) OnEnd(sdktrace.ReadOnlySpan)                     { p.end.Add(1) }
func (p *pairs) Shutdown(context.Context) error                  { return nil }
func (p *pairs) ForceFlush(context.Context) error                { return nil }

// TestDurablePaired: a processor sees the whole of each attempt, judged or not, and
// nothing of the enqueueing.
func TestDurablePaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(pairs)
		task := billing(func(ctx context.Context, b bill) error {
			if b.Order == "wait" {
				<-ctx.Done()
			}
			return ctx.Err()
		}, postlude.OnError(p))
		h, e := durably(t, postlude.Config{}, task)
		for _, order := range []string{"wait", "go"} {
			accepted(t)(postlude.Go(h.Context(), task.With(bill{Order: order})))
		}
		stored(t, e, "bill", `{}`, nextEnvelope)
		time.Sleep(sec)
		if _, err := h.Runtime().Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if got := []int32{p.start.Load(), p.ending.Load(), p.end.Load()}; !slices.Equal(got, []int32{3, 3, 3}) {
			t.Errorf("OnStart, OnEnding, OnEnd: %v", got)
		}
	})
}

// TestWorkersOfTheirOwn: what an engine delivers does not wait behind the tasks of this
// process, which in turn get no more workers from it than Config.Workers.
func TestWorkersOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := billing(func(context.Context, bill) error { time.Sleep(sec); return nil })
		h, _ := durably(t, postlude.Config{Workers: 2}, task)
		for range 4 {
			accepted(t)(postlude.Go(h.Context(), sleeper("long", time.Hour)))
		}
		for range 2 { // once with new workers, once with those that were there
			for range 3 {
				accepted(t)(postlude.Go(h.Context(), task.With(bill{})))
			}
			synctest.Wait()
			if s := h.Runtime().Snapshot(); s.Running != 4 || s.Pending != 2 || s.Workers != 4 {
				t.Errorf("while they run: %+v", s)
			}
			time.Sleep(3 * sec) // two at a time
			if s := h.Runtime().Snapshot(); s.Running != 2 || s.Pending != 2 || s.Workers != 2 {
				t.Errorf("when they have run: %+v", s)
			}
		}
	})
}

// TestCancelWhenEnqueued: it comes too late, and does no harm.
func TestCancelWhenEnqueued(t *testing.T) {
	task := billing(nothing)
	h, e := durably(t, postlude.Config{EnqueueOnly: true}, task)
	run := accepted(t)(postlude.Go(h.Context(), task.With(bill{})))
	run.Cancel()
	if n := queued(t, e); n != 1 || run.Err() != nil {
		t.Errorf("%d jobs, %v", n, run.Err())
	}
}

// hanging is an engine whose database does not answer.
type hanging struct {
	*durabletest.Engine
	tries atomic.Int32
	exit  bool
}

func (e *hanging) Enqueue(ctx context.Context, _ durable.Job) (durable.Receipt, error) {
	if e.tries.Add(1); e.exit {
		runtime.Goexit()
	}
	<-ctx.Done()
	return durable.Receipt{}, ctx.Err()
}

// TestHangingEnqueue: a database that hangs is tried more than once, and a task whose
// enqueueing dies is dropped, and recorded.
func TestHangingEnqueue(t *testing.T) {
	for _, exit := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e, task := &hanging{Engine: durabletest.NewEngine(), exit: exit}, billing(nothing)
			h := postludetest.New(t, postlude.Config{Engine: e, EnqueueOnly: true})
			var run postlude.Run
			h.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				run = accepted(t)(postlude.AfterResponse(r.Context(), task.With(bill{})))
			}), httptest.NewRequest("GET", "/", http.NoBody))
			<-run.Done()
			c := h.Runtime().Snapshot().Counts
			if run.Err() == nil || c.Dropped != 1 || len(h.Records(taskconv.EventDropped)) != 1 || h.Metric(taskconv.MetricPending) != 0 {
				t.Errorf("exit %v: %v, %+v, %v", exit, run.Err(), c, h.Records(""))
			}
			if n := e.tries.Load(); !exit && n < 4 {
				t.Errorf("tried %d times", n)
			}
		})
	}
}

// broken is an engine that fails in ways that it should not.
type broken struct{ *durabletest.Engine }

func (broken) Work(context.Context, durable.Worker) (durable.Session, error) { return broken{}, nil }
func (broken) Stop(context.Context) error                                    { panic("stop") }
func (broken) Queues(context.Context) ([]durable.QueueStats, error)          { panic("queues") }

// stuck is one whose Stop does not heed its context.
type stuck struct {
	broken
	until chan struct{}
}

func (s stuck) Work(context.Context, durable.Worker) (durable.Session, error) { return s, nil }
func (s stuck) Stop(context.Context) error                                    { <-s.until; return nil }

// none is one without a session.
type none struct{ broken }

func (none) Work(context.Context, durable.Worker) (durable.Session, error) { return nil, nil }

func TestBrokenEngine(t *testing.T) {
	task := billing(nothing)
	cfg := postlude.Config{Engine: broken{}, Tasks: []postlude.Definition{task}, Logger: quiet}
	rt, err := postlude.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var p *postlude.PanicError
	if _, err := rt.Shutdown(t.Context()); !errors.As(err, &p) {
		t.Errorf("Shutdown: %v", err)
	}
	until := make(chan struct{})
	defer close(until)
	cfg.Engine = stuck{until: until}
	if rt, err = postlude.New(cfg); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rt.Shutdown(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown of a stuck engine: %v", err)
	}
	cfg.Engine = none{}
	if _, err := postlude.New(cfg); err == nil || !strings.Contains(err.Error(), "Session") {
		t.Errorf("New: %v", err)
	}
}
