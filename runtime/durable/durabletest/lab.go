package durabletest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

// lab is what one exercise works with: an engine, a task and a queue that nobody else
// uses, and the sessions to end with it.
type lab struct {
	*testing.T
	settings
	e           durable.Engine
	task, queue string
	gates       []func()
	crews       []*crew

	mu   sync.Mutex // guards what follows
	over bool       // the test
}

func newLab(t *testing.T, e durable.Engine, s settings) *lab {
	l := &lab{T: t, settings: s, e: e}
	l.task, l.queue = l.unused("task"), l.unused("queue")
	t.Cleanup(func() { // the last one
		l.mu.Lock()
		defer l.mu.Unlock()
		l.over = true
	})
	t.Cleanup(func() {
		// A test that has failed may have left attempts that wait.
		for _, open := range l.gates {
			open()
		}
		for _, c := range l.crews {
			c.stop()
		}
	})
	return l
}

// Errorf is the test's, unless that is over: an engine that does not stop may still deliver
// jobs, and to tell of it then would take the whole test binary down.
func (l *lab) Errorf(format string, args ...any) {
	l.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.T.Errorf(format, args...)
	}
}

// unused returns a name that nobody else has, for a task or a queue.
func (l *lab) unused(kind string) string {
	return kind + "_" + strings.ToLower(rand.Text()[:12])
}

// gate returns a channel that open closes; the end of the test opens it, too.
func (l *lab) gate() (passed <-chan struct{}, open func()) {
	c := make(chan struct{})
	open = sync.OnceFunc(func() { close(c) })
	l.gates = append(l.gates, open)
	return c, open
}

// bound returns a context for calls that should not block for long.
func (l *lab) bound() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), l.patience)
	l.Cleanup(cancel)
	return ctx
}

// job returns a job of the test's task and queue; args is made JSON unless it is.
func (l *lab) job(args any, opts ...durable.Option) durable.Job {
	data, ok := args.(json.RawMessage)
	if !ok {
		var err error
		if data, err = json.Marshal(args); err != nil {
			l.Fatal(err)
		}
	}
	return durable.Job{
		Task: l.task, Args: data, Envelope: l.envelope(),
		Options: durable.Options{Queue: l.queue}.With(opts...),
	}
}

// envelope returns one that differs from all others.
func (l *lab) envelope() json.RawMessage {
	data, err := durable.Envelope{ID: uuid()}.Encode()
	if err != nil {
		l.Fatal(err)
	}
	return data
}

func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// enqueue enqueues a job that must be stored, and returns its id.
func (l *lab) enqueue(args any, opts ...durable.Option) string {
	l.Helper()
	return l.put(l.bound(), l.job(args, opts...))
}

// put is enqueue for any job.
func (l *lab) put(ctx context.Context, j durable.Job) string {
	l.Helper()
	r, err := l.e.Enqueue(ctx, j)
	switch {
	case err != nil:
		l.Fatalf("Enqueue of %s: %v", j.Args, err)
	case r.Duplicate != nil:
		l.Fatalf("Enqueue of %s: it counts as a duplicate of %s", j.Args, r.Duplicate)
	case r.ID == "":
		l.Fatalf("Enqueue of %s: the receipt has no id", j.Args)
	}
	return r.ID
}

// duplicate enqueues a job that must count as a duplicate of another.
func (l *lab) duplicate(ctx context.Context, j, of durable.Job, id string) {
	l.Helper()
	r, err := l.e.Enqueue(ctx, j)
	switch {
	case err != nil:
		l.Fatalf("Enqueue of a duplicate: %v", err)
	case r.Duplicate == nil:
		l.Fatalf("the job was stored, but its key %q is taken by job %s", j.Unique, id)
	case r.ID != id:
		l.Errorf("the receipt of a duplicate has the id %s, want that of the first: %s", r.ID, id)
	}
	l.sameJSON("Receipt.Duplicate", r.Duplicate, of.Envelope)
}

// await waits for what only questions can tell. Sleeping between them makes a test
// slower at worst.
func (l *lab) await(what string, reached func() bool) {
	l.Helper()
	timeout := time.After(l.patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-timeout:
			l.Fatalf("%s: not within %v", what, l.patience)
		}
	}
}

// receive waits for a channel.
func receive[T any](l *lab, what string, from <-chan T) T {
	l.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(l.patience):
		l.Fatalf("%s: not within %v", what, l.patience)
		panic("unreachable")
	}
}

// between tells whether t is between two readings of this process's clock.
func between(t, from, to time.Time) bool {
	return !t.Before(from.Add(-skew)) && !t.After(to.Add(skew))
}
