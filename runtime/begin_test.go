package postlude_test

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
)

// endsWithIt waits for the end of the context that it is given at the start of an attempt, as
// a processor of the user's and as a log handler.
type endsWithIt struct{ slog.Handler }

func (p endsWithIt) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Hour):
	}
}

func (p endsWithIt) OnStart(ctx context.Context, _ sdktrace.ReadWriteSpan) { p.wait(ctx) }
func (endsWithIt) OnEnding(sdktrace.ReadWriteSpan)                         {}
func (endsWithIt) OnEnd(sdktrace.ReadOnlySpan)                             {}
func (endsWithIt) Shutdown(context.Context) error                          { return nil }
func (endsWithIt) ForceFlush(context.Context) error                        { return nil }

func (endsWithIt) Enabled(context.Context, slog.Level) bool { return true }
func (p endsWithIt) WithAttrs([]slog.Attr) slog.Handler     { return p }

func (p endsWithIt) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "task started" {
		p.wait(ctx)
	}
	return nil
}

// TestCancelWhileBeginning: a cancel, and a shutdown, reach what user code does before the
// function, which is not called then.
func TestCancelWhileBeginning(t *testing.T) {
	logging := slog.New(endsWithIt{})
	for name, c := range map[string]struct {
		cfg  postlude.Config
		opts []postlude.Option
	}{
		"in a processor":   {postlude.Config{HandlerTimeout: 2 * time.Hour, Logger: slog.New(slog.DiscardHandler)}, []postlude.Option{postlude.OnError(endsWithIt{})}},
		"in a log handler": {postlude.Config{Logger: logging}, nil},
	} {
		for _, shutdown := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					rt, err := postlude.New(c.cfg)
					if err != nil {
						t.Fatal(err)
					}
					start, called := time.Now(), false
					run := admitted(t)(postlude.Go(rt.Context(t.Context()), postlude.Func("job", func(context.Context) error {
						called = true
						return nil
					}), c.opts...))
					time.Sleep(sec)
					if shutdown {
						time.AfterFunc(sec, func() { _, _ = rt.Shutdown(context.Background()) })
					} else {
						run.Cancel()
					}
					<-run.Done()
					if took := time.Since(start); took > time.Minute || called {
						t.Errorf("it took %v, the function was called: %v", took, called)
					}
					if _, err := rt.Shutdown(context.Background()); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// fatal ends the goroutine that renders it, after a while.
type fatal struct{ N int }

func (fatal) LogValue() slog.Value {
	time.Sleep(2 * sec)
	runtime.Goexit()
	return slog.Value{}
}

// TestGoexitWhileBeginning: what interrupted an attempt counts, also where user code then
// ended its goroutine before the function was called.
func TestGoexitWhileBeginning(t *testing.T) {
	for cause, want := range map[error]durable.Action{durable.ErrLost: durable.Requeue, durable.ErrCanceled: durable.Cancel} {
		synctest.Test(t, func(t *testing.T) {
			task := postlude.Define("bill", func(context.Context, fatal) error { return nil }, postlude.Durable(),
				postlude.OnError(verdict("again", postlude.RetryAfter(sec), new(tracer))))
			got, _ := delivered(t, endedBy(cause), postlude.Config{}, task, durable.Delivery{})
			if got.Action != want {
				t.Errorf("%v: %+v", cause, got)
			}
		})
	}
}
