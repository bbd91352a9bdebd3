package taskctx_test

import (
	"context"
	"testing"

	"github.com/postlude/postlude/internal/taskctx"
)

type task struct{}

func (task) TaskName() string { return "send_receipt" }
func (task) TaskID() string   { return "1" }
func (task) TaskAttempt() int { return 2 }

// attempt answers like the runtime's context does: without a context.WithValue.
type attempt struct {
	context.Context
	task
}

func (a attempt) Value(key any) any {
	if key == taskctx.Key {
		return a.task
	}
	return a.Context.Value(key)
}

func TestFrom(t *testing.T) {
	type key struct{}
	ctx := attempt{Context: t.Context()}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		want bool
	}{
		{"outside of tasks", t.Context(), false},
		{"the attempt", ctx, true},
		{"below it", context.WithValue(canceled, key{}, 1), true},
		{"without its cancellation", context.WithoutCancel(ctx), true},
		// Another package's pointer to the same kind of variable is another key.
		{"another key", context.WithValue(t.Context(), any(new(byte)), task{}), false},
		{"another type", context.WithValue(t.Context(), taskctx.Key, "send_receipt"), false},
		{"nil", context.WithValue(t.Context(), taskctx.Key, nil), false},
	} {
		got, ok := taskctx.From(c.ctx)
		if ok != c.want || ok && (got.TaskName() != "send_receipt" || got.TaskID() != "1" || got.TaskAttempt() != 2) {
			t.Errorf("%s: %v, %v", c.name, got, ok)
		}
	}
}

// Every log record asks: it must cost nothing.
func TestFromAllocs(t *testing.T) {
	var ctx context.Context = attempt{Context: t.Context()}
	if n := testing.AllocsPerRun(100, func() { taskctx.From(ctx) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
