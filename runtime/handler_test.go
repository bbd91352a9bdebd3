package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// tracer is a span processor that writes down how it is called.
type tracer struct {
	mu    sync.Mutex
	lines []string
}

func (p *tracer) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *tracer) calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

func (p *tracer) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) { p.note("OnStart %s", s.Name()) }

func (p *tracer) OnEnd(s sdktrace.ReadOnlySpan) { p.note("OnEnd %s", s.Name()) }

func (p *tracer) Shutdown(context.Context) error { p.note("Shutdown"); return nil }

func (p *tracer) ForceFlush(context.Context) error { p.note("ForceFlush"); return nil }

// decider is a processor of the user's own that decides in OnEnding.
type decider struct {
	tracer
	verdict postlude.Verdict
	slow    time.Duration
}

func (p *decider) OnEnding(s sdktrace.ReadWriteSpan) {
	f, failed := postlude.FailureOf(s)
	p.note("OnEnding %s %v", s.Name(), failed)
	if failed {
		s.SetAttributes(attribute.String("seen.by", "decider"))
		time.Sleep(p.slow)
		f.Decide(p.verdict)
	}
}

// verdict is a handler that always answers v.
func verdict(name string, v postlude.Verdict, asked *tracer) postlude.ErrorHandler {
	return postlude.HandlerFunc(name, func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		asked.note("%s", name)
		return v
	})
}

func failing(context.Context) error { return errBoom }

// settle runs one job to its end.
func settle(t *testing.T, h *postludetest.Harness, j postlude.Job, opts ...postlude.Option) postlude.Run {
	t.Helper()
	run := admitted(t)(postlude.Go(h.Context(), j, opts...))
	h.Settle()
	return run
}

// TestHandlersAreAskedInOrder: the call's, the definition's, the defaults'; the first
// answer that is not Pass wins and is on span and record.
func TestHandlersAreAskedInOrder(t *testing.T) {
	var asked tracer
	h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(
		verdict("default 1", postlude.Pass, &asked),
		verdict("default 2", postlude.Handled, &asked),
		verdict("default 3", postlude.Drop, &asked))}})
	task := postlude.Define("job", func(context.Context, int) error { return errBoom },
		postlude.OnError(verdict("definition", postlude.Pass, &asked)))
	run := settle(t, h, task.With(1), postlude.OnError(verdict("call", postlude.Pass, &asked)))
	if want := []string{"call", "definition", "default 1", "default 2"}; !slices.Equal(asked.calls(), want) {
		t.Errorf("asked %v, want %v", asked.calls(), want)
	}
	if !errors.Is(run.Err(), errBoom) {
		t.Errorf("a handled failure stays one: %v", run.Err())
	}
	s, r := h.Spans("run job")[0], h.Records(taskconv.EventFailed)[0]
	if attrOf(s, "task.verdict").AsString() != "handled" || attrOf(s, "task.verdict.handler").AsString() != "default 2" {
		t.Errorf("span: %v", s.Attributes())
	}
	if r["task.verdict"] != "handled" || r["task.verdict.handler"] != "default 2" {
		t.Errorf("record: %v", r)
	}
	if c := h.Runtime().Snapshot().Counts; c != (postlude.Counts{Scheduled: 1, Failed: 1}) {
		t.Errorf("%+v", c)
	}
	if n := h.Metric(taskconv.MetricVerdicts, attribute.String("task.verdict", "handled")); n != 1 {
		t.Errorf("%v verdicts", n)
	}
}

// TestFailure: what a handler gets to see.
func TestFailure(t *testing.T) {
	type args struct{ To, Token string }
	var got postlude.Failure
	var info postlude.TaskInfo
	var typed args
	look := postlude.HandlerFunc("look", func(ctx context.Context, f *postlude.Failure) postlude.Verdict {
		got, info = *f, f.Task()
		typed, _ = postlude.ArgsOf[args](f)
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the handler's context has no deadline")
		}
		return postlude.Pass
	})
	h := postludetest.New(t, postlude.Config{})
	task := postlude.Define("mail", func(context.Context, args) error { return errBoom }, postlude.Shield(true))
	run := settle(t, h, task.With(args{"ada", "hunter2"}), postlude.OnError(look))
	if got.ID != run.ID() || got.Err != errBoom || got.Kind != postlude.KindError || got.Attempt != 1 || got.ErrorType != boomType {
		t.Errorf("%+v", got)
	}
	if typed.Token != "hunter2" || got.Args() != any(typed) {
		t.Errorf("args %+v", typed)
	}
	if info.Name != "mail" || !info.Shield || info.Timing != "immediate" || !strings.Contains(info.Func, "TestFailure") {
		t.Errorf("%+v", info)
	}
	if s := h.Spans("run mail")[0]; !s.SpanContext().Equal(got.SpanContext) || !strings.Contains(attrOf(s, "task.args").AsString(), "REDACTED") {
		t.Errorf("%v", s.Attributes())
	}
}

// TestForeignProcessor: a processor of another type sees every attempt, paired, may
// write on the span in OnEnding, and decides with Decide.
func TestForeignProcessor(t *testing.T) {
	p := &decider{verdict: postlude.Handled}
	h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(p)}})
	settle(t, h, postlude.Func("good", func(context.Context) error { return nil }))
	settle(t, h, postlude.Func("bad", failing))
	want := []string{
		"OnStart run good", "OnEnding run good false", "OnEnd run good",
		"OnStart run bad", "OnEnding run bad true", "OnEnd run bad",
	}
	if !slices.Equal(p.calls(), want) {
		t.Errorf("%v, want %v", p.calls(), want)
	}
	s := h.Spans("run bad")[0]
	if attrOf(s, "seen.by").AsString() != "decider" || attrOf(s, "task.verdict.handler").AsString() != "*postlude_test.decider" {
		t.Errorf("%v", s.Attributes())
	}
}

// TestBrokenHandlersAreContained: one that panics, one that calls Goexit and one that
// blocks are passed over, counted and recorded, and the next one decides.
func TestBrokenHandlersAreContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		broken := postlude.OnError(
			postlude.HandlerFunc("panics", func(context.Context, *postlude.Failure) postlude.Verdict { panic("handler") }),
			postlude.HandlerFunc("exits", func(context.Context, *postlude.Failure) postlude.Verdict { runtime.Goexit(); return postlude.Drop }),
			postlude.HandlerFunc("blocks", func(context.Context, *postlude.Failure) postlude.Verdict { <-release; return postlude.Drop }),
			&decider{verdict: postlude.Drop, slow: time.Hour}, // decides too late
			verdict("last", postlude.Handled, new(tracer)))
		h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{broken}})
		for range 2 {
			settle(t, h, postlude.Func("job", failing))
		}
		for _, s := range h.Spans("run job") {
			if attrOf(s, "task.verdict.handler").AsString() != "last" || s.EndTime() != s.StartTime() {
				t.Errorf("%v, took %v", s.Attributes(), s.EndTime().Sub(s.StartTime()))
			}
		}
		if n := h.Metric(taskconv.MetricHandlerErrors); n != 8 {
			t.Errorf("%v handler errors, want 4 for each failure", n)
		}
		// One that has never returned is not called again. The decider's OnStart did.
		if n := len(h.Records(taskconv.EventHandlerFailed)); n != 7 {
			t.Errorf("%d records, want 4, and 3 without the one that is known to block", n)
		}
		r, err := h.Runtime().Shutdown(context.Background())
		if want := []string{"*postlude_test.decider", "blocks"}; err != nil || !slices.Equal(r.Blocked, want) || r.Failed != 2 {
			t.Errorf("report %+v, %v", r, err)
		}
		close(release)
		time.Sleep(2 * time.Hour) // until the slow one has returned
	})
}

// TestRetryAfter: attempts are as far apart as the verdict says, each linked to the one
// before, and the slot is kept.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Queue: 1})
		start, times := time.Now(), []time.Duration{}
		retry := postlude.HandlerFunc("retry", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
			if f.Attempt > 3 {
				return postlude.Pass
			}
			return postlude.RetryAfter(time.Second << (f.Attempt - 1))
		})
		run := admitted(t)(postlude.Go(h.Context(), postlude.Func("job", func(context.Context) error {
			times = append(times, time.Since(start))
			return errBoom
		}), postlude.OnError(retry)))
		synctest.Wait()
		if c := h.Runtime().Snapshot().Counts; c != (postlude.Counts{Scheduled: 1, Retrying: 1}) {
			t.Errorf("between attempts: %+v", c)
		}
		if _, err := postlude.Go(h.Context(), sleeper("other", 0)); !errors.Is(err, postlude.ErrQueueFull) {
			t.Errorf("the slot was not kept: %v", err)
		}
		h.Settle()
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}; !slices.Equal(times, want) {
			t.Errorf("attempts at %v, want %v", times, want)
		}
		spans := h.Spans("run job")
		for i, s := range spans[1:] {
			if n := len(s.Links()); n != 1 || s.Links()[0].SpanContext.SpanID() != spans[i].SpanContext().SpanID() {
				t.Errorf("attempt %d has %d links", i+2, n)
			}
		}
		if n := len(h.Records(taskconv.EventRetrying)); n != 3 || h.Metric(taskconv.MetricRetries) != 3 || h.Metric(taskconv.MetricAttempts) != 4 {
			t.Errorf("%d records of retries", n)
		}
		if !errors.Is(run.Err(), errBoom) || h.Metric(taskconv.MetricPending) != 0 {
			t.Errorf("%v", run.Err())
		}
	})
}

// TestRetryEndsWithCancelAndShutdown: a task that waits for its retry ends at once when
// it is canceled, and with shutdown unless it is shielded.
func TestRetryEndsWithCancelAndShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(
			postlude.HandlerFunc("retry", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
				if f.Attempt == 2 {
					return postlude.Pass
				}
				return postlude.RetryAfter(time.Hour)
			}))}})
		start := time.Now()
		canceled := admitted(t)(postlude.Go(h.Context(), postlude.Func("canceled", failing)))
		admitted(t)(postlude.Go(h.Context(), postlude.Func("dropped", failing)))
		admitted(t)(postlude.Go(h.Context(), postlude.Func("shielded", failing), shield))
		synctest.Wait()
		canceled.Cancel()
		<-canceled.Done()
		if !errors.Is(canceled.Err(), postlude.ErrCanceled) || time.Since(start) != 0 {
			t.Errorf("%v after %v", canceled.Err(), time.Since(start))
		}
		r, err := h.Runtime().Shutdown(context.Background())
		if err != nil || r.Elapsed != time.Hour {
			t.Errorf("%v after %v", err, r.Elapsed)
		}
		equal(t, r, postlude.Counts{Scheduled: 3, Failed: 1, Canceled: 1, Dropped: 1}, map[string]string{"dropped": "dropped"})
	})
}
