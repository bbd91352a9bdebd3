package contend

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"

	postlude "github.com/postlude/postlude/runtime"
)

// Postlude is a runtime with its defaults, but for the bounds.
type Postlude struct {
	*postlude.Runtime
	task *postlude.Task[Receipt]
}

func newPostlude(c Config) (Contender, error) { return NewPostlude(c, postlude.Config{}) }

// NewPostlude makes one whose further config is cfg, and whose task has options.
func NewPostlude(c Config, cfg postlude.Config, opts ...postlude.TaskOption) (*Postlude, error) {
	cfg.Workers, cfg.Queue = c.Workers, cmp.Or(c.Queue, 1<<22)
	cfg.Logger, cfg.TracerProvider, cfg.MeterProvider = c.Telemetry.Logger, c.Telemetry.Tracers, c.Telemetry.Meters
	if c.Handlers {
		cfg.Defaults = append(cfg.Defaults, postlude.OnError(
			postlude.On(func(context.Context, *postlude.Failure, *net.OpError) postlude.Verdict { return postlude.Pass }),
			postlude.On(func(context.Context, *postlude.Failure, *strconv.NumError) postlude.Verdict { return postlude.Pass }),
			postlude.HandlerFunc("rest", func(context.Context, *postlude.Failure) postlude.Verdict { return postlude.Handled }),
		))
	}
	if c.Lean {
		opts = append(opts, postlude.LeanContext())
	}
	rt, err := postlude.New(cfg)
	return &Postlude{rt, postlude.Define(TaskName, c.Body, opts...)}, err
}

// Job is a task for r.
func (p *Postlude) Job(r Receipt) postlude.Job { return p.task.With(r) }

// Submit schedules a task.
func (p *Postlude) Submit(ctx context.Context, r Receipt) error {
	_, err := postlude.Go(ctx, p.task.With(r))
	return err
}

// Wait waits for all tasks.
func (p *Postlude) Wait() {
	_ = p.Runtime.Wait(context.Background()) // which does not end
}

// Close shuts down.
func (p *Postlude) Close() error {
	report, err := p.Shutdown(context.Background())
	if err == nil && len(report.Leftovers) > 0 {
		err = fmt.Errorf("tasks were left: %+v", report.Leftovers)
	}
	return err
}
