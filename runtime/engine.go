package postlude

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/postlude/postlude/internal/panics"
	"github.com/postlude/postlude/runtime/durable"
)

// engineStart is how long an engine may take to begin its work.
const engineStart = 30 * time.Second

// startWork has the engine deliver the durable tasks that the runtime knows, and observes
// its queues.
func (rt *Runtime) startWork() error {
	if rt.cfg.Engine == nil {
		return nil
	}
	if err := rt.observeQueues(); err != nil {
		return err
	}
	if rt.cfg.EnqueueOnly || len(rt.known) == 0 {
		return nil
	}
	w := durable.Worker{Limit: rt.cfg.Workers, Do: rt.deliver, Logger: slog.New(rt.log)}
	for name, ps := range rt.known {
		w.Tasks = append(w.Tasks, name)
		queue := cmp.Or(ps.base.queueing.Queue, durable.DefaultQueue)
		if !slices.Contains(w.Queues, queue) {
			w.Queues = append(w.Queues, queue)
		}
	}
	slices.Sort(w.Tasks)
	slices.Sort(w.Queues)
	ctx, cancel := context.WithTimeout(context.Background(), engineStart)
	defer cancel()
	var session durable.Session
	var err error
	if p := panics.Try(func() { session, err = rt.cfg.Engine.Work(ctx, w) }); p != nil {
		err = p
	}
	if err == nil && session == nil {
		err = errors.New("its Work returned no Session")
	}
	if err != nil {
		return errors.Join(err, rt.unwatch())
	}
	rt.session = session
	return nil
}

// stopWork ends the delivery of durable tasks at once. What it returns waits until the
// outcomes of those that were delivered are stored, or ctx has ended.
func (rt *Runtime) stopWork(ctx context.Context) (wait func() error) {
	if rt.cfg.Engine == nil {
		return func() error { return nil }
	}
	stopped := make(chan error, 1)
	go func() { stopped <- errors.Join(rt.stopSession(ctx), rt.unwatch()) }()
	return func() error {
		var err error
		select {
		case err = <-stopped:
		case <-ctx.Done():
			select { // an engine that heeds ctx is about to say what it did
			case err = <-stopped:
			case <-time.After(flushMoment):
				err = ctx.Err()
			}
		}
		if err != nil {
			return fmt.Errorf("postlude: shutdown: durable tasks: %w", err)
		}
		return nil
	}
}

func (rt *Runtime) stopSession(ctx context.Context) (err error) {
	if rt.session == nil {
		return nil
	}
	if p := panics.Try(func() { err = rt.session.Stop(ctx) }); p != nil {
		err = p
	}
	return err
}

// Queues tells how full the queues of Config.Engine are. It asks the engine, and so may
// block for as long as its database does, or ctx lets it.
func (rt *Runtime) Queues(ctx context.Context) ([]durable.QueueStats, error) {
	if rt.cfg.Engine == nil {
		return nil, ErrNoEngine
	}
	return rt.cfg.Engine.Queues(ctx)
}
