package postlude

import (
	"context"
	"time"
)

// flush has the processors of Config.Defaults send what they hold.
func (rt *Runtime) flush(ctx context.Context) {
	for _, e := range rt.defaults.handlers {
		if e.ours && !e.notes {
			continue // nothing to flush
		}
		if err := rt.flushOne(ctx, e); err != nil {
			rt.warn("flushing the error handler %s: %v", e.name, err)
		}
	}
}

// flushOne flushes one, and leaves it to itself when ctx ends or it takes longer than
// work may. With a ctx that has ended it still gets a moment.
func (rt *Runtime) flushOne(ctx context.Context, e *entry) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), flushMoment)
		defer cancel()
	}
	ended := make(chan error, 1)
	go func() { ended <- within(ctx, rt.cfg.WorkTimeout, e.ForceFlush) }()
	timer := time.NewTimer(rt.cfg.WorkTimeout)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errWorkTimeout
	}
}

const flushMoment = 100 * time.Millisecond
