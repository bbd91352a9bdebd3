package postlude_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

// TestHandlerContext: it has the attempt's values, span and task, a time of its own, and
// ends when the handler has returned; that of an attempt that has ended is not its end.
func TestHandlerContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var kept, child, unasked context.Context
		look := postlude.HandlerFunc("look", func(ctx context.Context, f *postlude.Failure) postlude.Verdict {
			if context.Cause(ctx) != nil || ctx.Err() != nil {
				t.Errorf("it has ended: %v", context.Cause(ctx))
			}
			kept, child = ctx, context.WithValue(ctx, key{}, "child")
			if d, ok := ctx.Deadline(); !ok || time.Until(d) != time.Minute {
				t.Errorf("deadline in %v", time.Until(d))
			}
			info, ok := postlude.TaskOf(child)
			if !ok || info.ID != f.ID || ctx.Value(key{}) != "request" || !trace.SpanContextFromContext(child).Equal(f.SpanContext) {
				t.Errorf("task %+v, value %v", info, ctx.Value(key{}))
			}
			return postlude.Pass
		})
		keep := postlude.HandlerFunc("keep", func(ctx context.Context, _ *postlude.Failure) postlude.Verdict {
			unasked = ctx
			return postlude.Pass
		})
		slow := postlude.HandlerFunc("slow", func(ctx context.Context, _ *postlude.Failure) postlude.Verdict {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			<-ctx.Done()
			if context.Cause(ctx) != context.DeadlineExceeded {
				t.Errorf("ended by %v", context.Cause(ctx))
			}
			return postlude.Handled
		})
		h := postludetest.New(t, postlude.Config{HandlerTimeout: time.Minute})
		run := admitted(t)(postlude.Go(context.WithValue(h.Context(), key{}, "request"), postlude.Func("job", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}), postlude.Timeout(time.Second), postlude.OnError(look, keep, slow)))
		h.Settle()
		if !errors.Is(run.Err(), context.DeadlineExceeded) {
			t.Error(run.Err())
		}
		for _, ctx := range []context.Context{kept, child, unasked} {
			select {
			case <-ctx.Done():
			default:
				t.Error("the handler has returned, and its context has not ended")
			}
			if ctx.Err() != context.Canceled || context.Cause(ctx) != context.Canceled {
				t.Errorf("%v, %v", ctx.Err(), context.Cause(ctx))
			}
		}
	})
}
