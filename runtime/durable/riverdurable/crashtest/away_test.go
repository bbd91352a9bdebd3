package crashtest

import (
	"context"
	"flag"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	postlude "github.com/postlude/postlude/runtime"

	"github.com/postlude/postlude/internal/pgtest"
)

var away = flag.Duration("away", 6*time.Second, "how long the database is away")

// TestDatabaseAway: the server is stopped under load and started again. What was enqueued
// is done, what was not is an error that says why, and the workers come back.
func TestDatabaseAway(t *testing.T) {
	server := pgtest.Start(t)
	b, err := open(t.Context(), "postgres", server.URL())
	if err != nil {
		t.Fatal(err)
	}
	var done sync.Map // task ids
	task := define(func(ctx context.Context, _ int) error {
		info, _ := postlude.TaskOf(ctx)
		if err := b.effect(ctx, info.ID); err != nil {
			return err
		}
		done.Store(info.ID, true)
		return nil
	})
	rt, err := postlude.New(postlude.Config{Engine: b.Engine, Tasks: []postlude.Definition{task}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	load := newLoad(rt, task)
	pause(t, time.Second)
	server.Stop()
	pause(t, *away)
	server.Restart()
	pause(t, 2*time.Second)
	load.stop()
	t.Logf("%d enqueued, %d refused, the slowest refusal took %v; for one: %v",
		len(load.enqueued), load.refused, load.slowest.Round(time.Millisecond), load.err)
	if load.refused == 0 || !strings.Contains(load.err.Error(), `enqueueing task "work"`) {
		t.Errorf("%d errors while the database was away, the last: %v", load.refused, load.err)
	}
	if load.after.Load() == 0 {
		t.Error("nothing was enqueued after the database was back")
	}
	missing := len(load.enqueued)
	for deadline := time.Now().Add(time.Minute); missing > 0 && time.Now().Before(deadline); pause(t, 50*time.Millisecond) {
		missing = 0
		for _, id := range load.enqueued {
			if _, ok := done.Load(id); !ok {
				missing++
			}
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d tasks were not done within a minute", missing, len(load.enqueued))
	}
	if _, err := rt.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
}

// load enqueues, from a few goroutines, until it is stopped.
type load struct {
	ended  chan struct{}
	others sync.WaitGroup
	after  atomic.Int64 // enqueued since the last refusal

	mu       sync.Mutex
	enqueued []string // task ids
	refused  int
	slowest  time.Duration
	err      error
}

func newLoad(rt *postlude.Runtime, task *postlude.Task[int]) *load {
	l := &load{ended: make(chan struct{})}
	for range 4 {
		l.others.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-l.ended:
					return
				case <-tick.C:
					l.one(rt, task)
				}
			}
		})
	}
	return l
}

func (l *load) one(rt *postlude.Runtime, task *postlude.Task[int]) {
	ctx, cancel := context.WithTimeout(rt.Context(context.Background()), 2*time.Second) // as a request has
	defer cancel()
	start := time.Now()
	run, err := postlude.Go(ctx, task.With(1))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.refused++
		l.err, l.slowest = err, max(l.slowest, time.Since(start))
		l.after.Store(0)
		return
	}
	l.after.Add(1)
	l.enqueued = append(l.enqueued, run.ID())
}

func (l *load) stop() {
	close(l.ended)
	l.others.Wait()
}
