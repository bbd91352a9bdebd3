package durabletest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

// broken is an engine with a fault, which is in one of its functions.
type broken struct {
	*durabletest.Engine
	enqueue func(context.Context, durable.Job) (durable.Receipt, error)
	worker  func(ctx context.Context, w *durable.Worker)
	after   func(d durable.Delivery, o durable.Outcome) durable.Outcome // what becomes of an Outcome
	before  func(w *durable.Worker, d *durable.Delivery)                // what becomes of a Delivery
	stop    func(context.Context, durable.Session) error
	list    func(context.Context, durable.Query) ([]durable.DeadLetter, error)
	retry   func(context.Context, string) error
	queues  func([]durable.QueueStats)
	commit  func(*durabletest.Tx) error
}

func (b *broken) Enqueue(ctx context.Context, j durable.Job) (durable.Receipt, error) {
	if b.enqueue != nil {
		return b.enqueue(ctx, j)
	}
	return b.Engine.Enqueue(ctx, j)
}

func (b *broken) Work(ctx context.Context, w durable.Worker) (durable.Session, error) {
	told, do := w, w.Do
	w.Do = func(ctx context.Context, d durable.Delivery) durable.Outcome {
		if b.before != nil {
			b.before(&told, &d)
		}
		o := do(ctx, d)
		if b.after != nil {
			o = b.after(d, o)
		}
		return o
	}
	if b.worker != nil {
		b.worker(ctx, &w)
	}
	s, err := b.Engine.Work(ctx, w)
	return &brokenSession{s, b}, err
}

type brokenSession struct {
	durable.Session
	b *broken
}

func (s *brokenSession) Stop(ctx context.Context) error {
	if s.b.stop != nil {
		return s.b.stop(ctx, s.Session)
	}
	return s.Session.Stop(ctx)
}

func (b *broken) DeadLetters(ctx context.Context, q durable.Query) ([]durable.DeadLetter, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.Engine.DeadLetters(ctx, q)
}

func (b *broken) Retry(ctx context.Context, id string) error {
	if b.retry != nil {
		return b.retry(ctx, id)
	}
	return b.Engine.Retry(ctx, id)
}

func (b *broken) Queues(ctx context.Context) ([]durable.QueueStats, error) {
	all, err := b.Engine.Queues(ctx)
	if b.queues != nil {
		b.queues(all)
	}
	return all, err
}

func (b *broken) begin(context.Context) (tx any, commit, rollback func() error, err error) {
	own := b.Begin()
	return own, func() error {
		if b.commit != nil {
			return b.commit(own)
		}
		return own.Commit()
	}, own.Rollback, nil
}

const faultVariable = "DURABLETEST_FAULT"

// TestBroken is what TestExerciseFindsFaults runs in a process of its own.
func TestBroken(t *testing.T) {
	name := os.Getenv(faultVariable)
	for _, f := range faults() {
		if f.name == name {
			b := &broken{Engine: durabletest.NewEngine()}
			f.set(b)
			durabletest.Exercise(t, b, durabletest.Begin(b.begin), durabletest.Patience(time.Second))
		}
	}
}

// TestExerciseFindsFaults: a suite that passes whatever it is given would be of no use.
func TestExerciseFindsFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("a process for each fault takes a while")
	}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			path := strings.ReplaceAll("TestBroken/"+f.foundBy, " ", "_")
			cmd := exec.Command(os.Args[0], "-test.timeout=60s", "-test.run=^"+strings.ReplaceAll(path, "/", "$/^")+"$")
			cmd.Env = append(os.Environ(), faultVariable+"="+f.name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: "+path) {
				t.Errorf("%s does not find the fault: %v\n%.2000s", f.foundBy, err, out)
			} else if strings.Contains(string(out), "panic:") || strings.Contains(string(out), "DATA RACE") {
				t.Errorf("it does not fail in good order:\n%.2000s", out)
			}
		})
	}
}
