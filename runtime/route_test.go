package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

type declined struct{ code int }

func (d *declined) Error() string { return fmt.Sprintf("declined: %d", d.code) }

// registry is a policy as a user would write it. It notes who was asked.
func registry(asked *tracer) postlude.ErrorHandler {
	note := func(name string) postlude.ErrorHandler { return verdict(name, postlude.Handled, asked) }
	return postlude.Handlers(
		postlude.For[*net.OpError](note("network")),
		postlude.On(func(_ context.Context, _ *postlude.Failure, d *declined) postlude.Verdict {
			asked.note("declined %d", d.code)
			return postlude.Handled
		}),
		postlude.Is(os.ErrPermission, note("permission")),
		postlude.Is(context.DeadlineExceeded, note("timeout")),
		postlude.Is(context.Canceled, note("canceled")),
		postlude.For[*postlude.PanicError](note("panic")),
		note("default"),
	)
}

// TestRouting: through wrapping, joining, panics and what ended the context.
func TestRouting(t *testing.T) {
	op := &net.OpError{Op: "dial", Err: errors.New("refused")}
	wait := func(ctx context.Context) error { <-ctx.Done(); return errors.New("query interrupted") }
	fails := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	for _, c := range []struct {
		want string
		body func(context.Context) error
		opts []postlude.Option
		act  func(postlude.Run)
	}{
		{want: "network", body: fails(op)},
		{want: "network", body: fails(fmt.Errorf("mail: %w", op))},
		{want: "network", body: fails(errors.Join(errBoom, fmt.Errorf("mail: %w", op)))},
		{want: "network", body: func(context.Context) error { panic(op) }},
		{want: "declined 7", body: fails(fmt.Errorf("charge: %w", &declined{7}))},
		{want: "permission", body: fails(&os.PathError{Op: "open", Path: "x", Err: os.ErrPermission})},
		{want: "timeout", body: wait, opts: []postlude.Option{postlude.Timeout(time.Second)}},
		{want: "timeout", body: fails(fmt.Errorf("call: %w", context.DeadlineExceeded))},
		{want: "canceled", body: wait, act: postlude.Run.Cancel},
		{want: "panic", body: func(context.Context) error { panic("boom") }},
		{want: "default", body: fails(errBoom)},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked tracer
			h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(registry(&asked))}})
			run := admitted(t)(postlude.Go(h.Context(), postlude.Func("job", c.body), c.opts...))
			synctest.Wait()
			if c.act != nil {
				c.act(run)
			}
			h.Settle()
			if !slices.Equal(asked.calls(), []string{c.want}) {
				t.Errorf("%v was asked about %v, want %s", asked.calls(), run.Err(), c.want)
			}
		})
	}
}

// TestRoutedProcessor: a processor of another type behind a route sees every attempt,
// but decides only about the errors of its route.
func TestRoutedProcessor(t *testing.T) {
	p := &decider{verdict: postlude.Drop}
	h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(postlude.For[*declined](p))}})
	settle(t, h, postlude.Func("other", failing))
	settle(t, h, postlude.Func("mine", func(context.Context) error { return &declined{1} }))
	want := []string{
		"OnStart run other", "OnEnding run other false", "OnEnd run other",
		"OnStart run mine", "OnEnding run mine true", "OnEnd run mine",
	}
	if c := h.Runtime().Snapshot().Counts; !slices.Equal(p.calls(), want) || c.Dropped != 1 || c.Failed != 1 {
		t.Errorf("%v, %+v", p.calls(), c)
	}
}

type badAs struct{}

func (badAs) Error() string { return "bad" }
func (badAs) As(any) bool   { panic("As") }

// TestMatchingPanics: the error's own methods are asked while routing.
func TestMatchingPanics(t *testing.T) {
	h := postludetest.New(t, postlude.Config{Defaults: []postlude.Option{postlude.OnError(
		postlude.For[*declined](verdict("never", postlude.Drop, new(tracer))),
		postlude.Retry{Max: 1},
		verdict("last", postlude.Handled, new(tracer)))}})
	settle(t, h, postlude.Func("job", func(context.Context) error { return badAs{} }))
	r := h.Records(taskconv.EventFailed)
	if len(r) != 1 || r[0]["task.verdict.handler"] != "last" || len(h.Records(taskconv.EventHandlerFailed)) != 2 {
		t.Errorf("%v", h.Records(""))
	}
}

// TestNilInRoutes is refused, wherever it hides.
func TestNilInRoutes(t *testing.T) {
	for name, h := range map[string]postlude.ErrorHandler{
		"nil":            nil,
		"nil in a route": postlude.Handlers(postlude.For[*declined](nil)),
		"negative Max":   postlude.Retry{Max: -1},
		"jitter":         postlude.Is(errBoom, postlude.Retry{Max: 1, Jitter: 1.5}),
		"nobody to tell": postlude.Escalate(),
		"nil notifier":   postlude.Escalate(nil),
		"no function":    postlude.HandlerFunc("x", nil),
		"On without one": postlude.On[*declined](nil),
		"nil processor":  postlude.Processor(nil),
	} {
		if _, err := postlude.New(postlude.Config{Defaults: []postlude.Option{postlude.OnError(h)}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestOnTheProviderToo: a handler that is registered on both is asked once, and a
// processor on the provider finds the failure by FailureOf.
func TestOnTheProviderToo(t *testing.T) {
	for name, provider := range bothProviders {
		t.Run(name, func(t *testing.T) { onTheProviderToo(t, provider) })
	}
}

func onTheProviderToo(t *testing.T, provider func(...sdktrace.SpanProcessor) trace.TracerProvider) {
	var asked tracer
	var found []string
	handler := verdict("both", postlude.Handled, &asked)
	reader := postlude.Processor(ender(func(s sdktrace.ReadOnlySpan) {
		if f, ok := postlude.FailureOf(s); ok {
			found = append(found, f.Task().Name+" "+f.ErrorType)
			f.Decide(postlude.Drop) // too late, and ignored
		}
	}))
	h := postludetest.New(t, postlude.Config{TracerProvider: provider(handler, reader), Defaults: []postlude.Option{postlude.OnError(handler)}})
	settle(t, h, postlude.Func("job", failing))
	settle(t, h, okTask.With(1))
	if !slices.Equal(asked.calls(), []string{"both"}) || !slices.Equal(found, []string{"job " + boomType}) {
		t.Errorf("asked %v, found %v", asked.calls(), found)
	}
	if n := h.Metric(taskconv.MetricAttempts, attribute.String("task.outcome", "error")); n != 1 {
		t.Errorf("%v failures", n)
	}
}

// ender is a processor that looks at ended spans.
type ender func(sdktrace.ReadOnlySpan)

func (ender) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (e ender) OnEnd(s sdktrace.ReadOnlySpan)                 { e(s) }
func (ender) Shutdown(context.Context) error                  { return nil }
func (ender) ForceFlush(context.Context) error                { return nil }
