package riverdurable_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

// blocker holds its deliveries until it is freed.
type blocker struct {
	*handler
	free    chan struct{}
	running atomic.Int32
	most    atomic.Int32
}

func newBlocker(out durable.Outcome) *blocker {
	b := &blocker{free: make(chan struct{})}
	b.handler = answer(func(ctx context.Context, _ durable.Delivery) durable.Outcome {
		n := b.running.Add(1)
		defer b.running.Add(-1)
		for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
		}
		select {
		case <-b.free:
			return out
		case <-ctx.Done():
			return durable.Outcome{Action: durable.Retry, Error: durable.Cause(ctx).Error()}
		}
	})
	return b
}

func TestStop(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := newBlocker(durable.Outcome{Action: durable.Done})
		r := enqueue(t, b, job("task"))
		s := work(t, b, h.handler)
		eventually(t, "it runs", func() bool { return h.running.Load() == 1 })

		ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
		defer cancel()
		if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop returned %v while an attempt ran", err)
		}
		enqueue(t, b, job("task"))
		second := make(chan error, 1)
		go func() { second <- s.Stop(bg) }()
		select {
		case err := <-second:
			t.Errorf("a second Stop did not wait: %v", err)
		case <-time.After(700 * time.Millisecond):
		}
		close(h.free)
		must(t, <-second)
		if state := b.state(r.ID); state != "completed" {
			t.Errorf("after Stop the job is %s", state)
		}
		if h.count() != 1 {
			t.Errorf("%d deliveries: one came after Stop", h.count())
		}
		must(t, s.Stop(bg))
	})
}

func TestLimit(t *testing.T) {
	opts := []riverdurable.Option{riverdurable.Queue("other", 50)}
	each(t, opts, func(t *testing.T, b backend) {
		h := newBlocker(durable.Outcome{Action: durable.Done})
		for range 10 {
			enqueue(t, b, job("task"))
			enqueue(t, b, job("task", durable.Queue("other")))
		}
		work(t, b, h.handler, func(w *durable.Worker) { w.Limit = 7 })
		eventually(t, "seven run", func() bool { return h.running.Load() == 7 })
		throughout(t, 600*time.Millisecond, "no more than seven run", func() bool { return h.running.Load() == 7 })
		close(h.free)
		eventually(t, "all are done", func() bool { return b.value("SELECT count(*) FROM river_job WHERE state = 'completed'") == "20" })
		if most := h.most.Load(); most != 7 {
			t.Errorf("%d ran at once", most)
		}
	})
}

func TestOnlyKnownTasks(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		other := enqueue(t, b, job("other"))
		known := enqueue(t, b, job("task"))
		h, idle := answer(done), answer(done)
		work(t, b, h, func(w *durable.Worker) { w.Tasks = []string{"task", "task"} })
		work(t, b, idle, func(w *durable.Worker) { w.Tasks = nil })
		b.awaitState(t, known.ID, "completed")
		if state := b.state(other.ID); state != "available" || idle.count() > 0 {
			t.Errorf("the other is %s", state)
		}
		late := answer(done)
		work(t, b, late, func(w *durable.Worker) { w.Tasks = []string{"other"} })
		b.awaitState(t, other.ID, "completed")
		if d := late.deliveries()[0]; d.Attempt != 1 {
			t.Errorf("its first attempt is %d", d.Attempt)
		}
	})
}

func TestRemoteCancel(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		var cause atomic.Value
		h := answer(func(ctx context.Context, _ durable.Delivery) durable.Outcome {
			<-ctx.Done()
			cause.Store(durable.Cause(ctx))
			return durable.Outcome{Action: durable.Requeue}
		})
		r := enqueue(t, b, job("task"))
		work(t, b, h)
		eventually(t, "it runs", func() bool { return h.count() == 1 })
		cancelInRiver(t, b, r.ID)
		b.awaitState(t, r.ID, "cancelled")
		if got := cause.Load(); got != durable.ErrCanceled {
			t.Errorf("the cause is %v", got)
		}
	})
}

func TestUndecodable(t *testing.T) {
	b := sqliteBackend(t)
	b.exec(`INSERT INTO river_job (args, kind, metadata) VALUES ('{no json', 'task', jsonb('{"postlude_envelope":"{\"v\":1}"}'))`)
	h := answer(done)
	work(t, b, h)
	b.awaitState(t, "1", "retryable")
	d := h.deliveries()[0]
	if d.Err == nil || !strings.Contains(d.Err.Error(), "job 1") || d.Task != "task" || d.ID != "1" {
		t.Errorf("%+v", d)
	}
	if wait := b.value("SELECT round((julianday(scheduled_at) - julianday('now')) * 24 * 60) FROM river_job"); wait != "1" && wait != "1.0" {
		t.Errorf("it is tried again in %s minutes", wait)
	}
}

func TestQueues(t *testing.T) {
	opts := []riverdurable.Option{riverdurable.Queue("mail", 1)}
	each(t, opts, func(t *testing.T, b backend) {
		h := &handler{}
		running := make(chan struct{})
		defer close(running)
		h.do = func(_ context.Context, d durable.Delivery) durable.Outcome {
			switch string(d.Args) {
			case `"fail"`:
				return durable.Outcome{Action: durable.Fail}
			case `"later"`:
				return durable.Outcome{Action: durable.Retry, Delay: time.Hour}
			case `"soon"`:
				return durable.Outcome{Action: durable.Retry, Delay: 4500 * time.Millisecond}
			case `"run"`:
				<-running
			}
			return durable.Outcome{Action: durable.Done}
		}
		for _, args := range []string{`"fail"`, `"later"`, `"soon"`, `"done"`, `"run"`} {
			j := job("task")
			j.Args = []byte(args)
			enqueue(t, b, j)
		}
		enqueue(t, b, job("unknown"))
		enqueue(t, b, job("task", durable.At(time.Now().Add(time.Hour))))
		enqueue(t, b, job("task", durable.At(time.Now().Add(4500*time.Millisecond))))
		enqueue(t, b, job("unknown", durable.Queue("mail")))
		work(t, b, h)
		eventually(t, "the queues are as expected", func() bool {
			q, err := b.Queues(bg)
			must(t, err)
			if len(q) != 2 || q[0].Oldest <= 0 || q[0].Oldest > time.Minute || q[1].Oldest <= 0 {
				return false
			}
			q[0].Oldest, q[1].Oldest = 0, 0
			return q[0] == durable.QueueStats{Queue: "default", Available: 1, Scheduled: 2, Retrying: 2, Running: 1, Dead: 1} &&
				q[1] == durable.QueueStats{Queue: "mail", Available: 1}
		})
	})
}

func cancelInRiver(t *testing.T, b backend, id string) {
	t.Helper()
	must(t, b.Engine.(interface {
		CancelInRiver(ctx context.Context, id string) error
	}).CancelInRiver(bg, id))
}

// TestOrphan: a row that runs in the session's name while the session knows nothing of it,
// as after a fetch whose answer was lost, is delivered; one that is worked on stays.
func TestOrphan(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		h := newBlocker(durable.Outcome{Action: durable.Done})
		s := work(t, b, h.handler)
		r := enqueue(t, b, job("task"))
		eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
		session := s.(interface {
			ID() string
			Orphans() func()
		})
		far := enqueue(t, b, job("task", durable.At(time.Now().Add(time.Hour))))
		b.runBy(far.ID, session.ID())
		look := session.Orphans()
		look()
		if state := b.state(far.ID); state != "running" {
			t.Errorf("after the first look it is %s", state)
		}
		look()
		eventually(t, "the orphan runs", func() bool { return h.running.Load() == 2 })
		if state := b.state(r.ID); state != "running" {
			t.Errorf("the one that ran is %s", state)
		}
		close(h.free)
		b.awaitState(t, far.ID, "completed")
		b.awaitState(t, r.ID, "completed")
		if h.count() != 2 {
			t.Errorf("%d deliveries", h.count())
		}
	})
}
