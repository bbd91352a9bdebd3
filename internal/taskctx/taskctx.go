// Package taskctx is how a log handler learns which task a context belongs to,
// without importing the runtime.
package taskctx

import "context"

// Task identifies the attempt that a context was made for.
type Task interface {
	TaskName() string
	TaskID() string
	TaskAttempt() int // 1 for the first
}

// Key is the context key under which the runtime's attempt context answers with
// its Task. It is a variable's address, so that no other package can collide
// with it and a lookup is one pointer comparison.
var Key any = new(byte)

// From returns the task that ctx belongs to, and false outside of tasks.
func From(ctx context.Context) (Task, bool) {
	t, ok := ctx.Value(Key).(Task)
	return t, ok
}
