package postlude_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
)

// TestChaos: handlers that do all that a handler may, and at its time limit: they return,
// panic or end their goroutine just before, at and after it, schedule tasks, and use what they were
// given when nobody waits for them any more, while tasks are canceled and the runtime shuts
// down. No task is lost, no handler is left over, and the counts add up.
func TestChaos(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) { chaos(t, round) })
	}
}

func chaos(t *testing.T, round int) {
	extra := postlude.Func("extra", func(context.Context) error { return nil })
	rt, err := postlude.New(postlude.Config{
		Workers: 1 + round%5, Queue: 10_000, HandlerTimeout: time.Second, Logger: quiet,
		Defaults: []postlude.Option{postlude.OnError(
			postlude.HandlerFunc("first", chaotic(extra)), postlude.HandlerFunc("second", chaotic(extra)),
			postlude.Processor(keeper{}), postlude.Escalate(postlude.Notifier(discardNotifier{})),
		)},
	})
	if err != nil {
		t.Fatal(err)
	}
	task := postlude.Define("job", func(_ context.Context, i int) error {
		switch i % 5 {
		case 0:
			return nil
		case 1:
			runtime.Goexit()
		case 2:
			panic("job")
		}
		return errBoom
	})
	var runs []postlude.Run
	for i := range 200 {
		run := accepted(t)(postlude.Go(rt.Context(t.Context()), task.With(i), postlude.Shield(i%2 == 0)))
		runs = append(runs, run)
		if i%17 == 0 {
			go run.Cancel()
		}
	}
	time.Sleep(time.Duration(round) * time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(round%3)*20*time.Second)
	defer cancel()
	_, _ = rt.Shutdown(ctx)
	time.Sleep(time.Hour) // for those that were left alone
	report, err := rt.Shutdown(context.Background())
	if c := report.Counts; err != nil || c.Running+c.Pending+c.Retrying > 0 || c.Scheduled != c.Succeeded+c.Failed+c.Canceled+c.Dropped {
		t.Errorf("%+v, %v", report.Counts, err)
	}
	if s := rt.Snapshot(); len(report.Blocked) > 0 || s.Workers > 0 {
		t.Errorf("%d workers and %v are left", s.Workers, report.Blocked)
	}
	for _, run := range runs {
		select {
		case <-run.Done():
		default:
			t.Error("a task is lost")
		}
	}
}

// chaotic is a handler that does anything, with a limit of one second.
func chaotic(extra postlude.Job) func(context.Context, *postlude.Failure) postlude.Verdict {
	return func(ctx context.Context, f *postlude.Failure) postlude.Verdict {
		use(f)
		if rand.IntN(3) == 0 && f.Attempt < 3 {
			_, _ = postlude.Go(ctx, extra)
		}
		linger(ctx)
		use(f)
		switch rand.IntN(8) {
		case 0:
			panic("handler")
		case 1:
			runtime.Goexit()
		case 2:
			return postlude.RetryAfter(time.Second)
		case 3:
			return postlude.FallbackTo(extra)
		case 4:
			return postlude.Handled.Then(func(context.Context) error { return nil })
		case 5:
			f.Decide(postlude.Drop)
		}
		return postlude.Pass
	}
}

// use reads and writes what a handler was given.
func use(f *postlude.Failure) {
	_, _, _ = f.Message(), f.RedactedArgs(), f.Task()
	for _, a := range f.History {
		_ = a.Message()
	}
	f.Span.SetAttributes(attribute.Int("used", 1))
	_ = f.Span.Attributes()
}

// linger takes no time, or about the limit.
func linger(ctx context.Context) {
	took := []time.Duration{0, time.Second, time.Second - 1, time.Duration(rand.IntN(4)) * time.Second / 2}[rand.IntN(4)]
	if rand.IntN(2) == 0 {
		time.Sleep(took)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, took)
	defer cancel()
	<-ctx.Done()
}

// keeper is a processor that is slow at times, and goes on with a failure after the span's end.
type keeper struct{}

func (keeper) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

func (keeper) OnEnding(s sdktrace.ReadWriteSpan) {
	if f, ok := postlude.FailureOf(s); ok && rand.IntN(20) == 0 {
		time.Sleep(2 * time.Second)
		f.Decide(postlude.Pass)
	}
}

func (keeper) OnEnd(s sdktrace.ReadOnlySpan) {
	if f, ok := postlude.FailureOf(s); ok {
		go use(f)
	}
}

func (keeper) Shutdown(context.Context) error   { return nil }
func (keeper) ForceFlush(context.Context) error { return nil }

type discardNotifier struct{}

func (discardNotifier) Notify(context.Context, *postlude.Failure) error { return nil }
