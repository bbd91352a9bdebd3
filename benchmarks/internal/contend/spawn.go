package contend

import (
	"context"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
)

// spawner is where a task that is written by hand runs. Each is used as its documentation
// does, with its defaults but for the bound.
type spawner interface {
	spawn(func()) error
	close()
}

// goroutines starts one for each task: nothing is bounded.
func goroutines(int) (spawner, error) { return each{}, nil }

type each struct{}

func (each) spawn(fn func()) error { go fn(); return nil }
func (each) close()                {}

// semaphore starts a goroutine for each task, which waits for its turn: the caller does
// not.
func semaphore(workers int) (spawner, error) { return turns(make(chan struct{}, workers)), nil }

type turns chan struct{}

func (t turns) spawn(fn func()) error {
	go func() {
		t <- struct{}{}
		defer func() { <-t }()
		fn()
	}()
	return nil
}

func (turns) close() {}

// channel is the pool that everybody has written once. Its workers are there from the start.
func channel(workers int) (spawner, error) {
	c := make(chan func(), workers)
	for range workers {
		go func() {
			for fn := range c {
				fn()
			}
		}()
	}
	return tasks(c), nil
}

type tasks chan func()

func (t tasks) spawn(fn func()) error { t <- fn; return nil }
func (t tasks) close()                { close(t) }

func antsPool(workers int) (spawner, error) {
	p, err := ants.NewPool(workers)
	return onAnts{p}, err
}

type onAnts struct{ *ants.Pool }

func (p onAnts) spawn(fn func()) error { return p.Submit(fn) }
func (p onAnts) close()                { p.Release() }

func pondPool(workers int) (spawner, error) { return onPond{pond.NewPool(workers)}, nil }

type onPond struct{ pond.Pool }

func (p onPond) spawn(fn func()) error { return p.Go(fn) }
func (p onPond) close()                { p.StopAndWait() }

func concPool(workers int) (spawner, error) {
	return onConc{pool.New().WithMaxGoroutines(workers)}, nil
}

type onConc struct{ *pool.Pool }

func (p onConc) spawn(fn func()) error { p.Go(fn); return nil }
func (p onConc) close()                { p.Wait() }

// plain runs a task that nobody observes.
type plain struct {
	spawner
	body Body
	all  sync.WaitGroup
}

func bare(at func(workers int) (spawner, error)) func(Config) (Contender, error) {
	return func(c Config) (Contender, error) {
		s, err := at(c.workers())
		return &plain{spawner: s, body: c.Body}, err
	}
}

func (p *plain) Context(ctx context.Context) context.Context { return ctx }

func (p *plain) Submit(ctx context.Context, r Receipt) error {
	ctx = context.WithoutCancel(ctx)
	p.all.Add(1)
	return p.spawn(func() {
		defer p.all.Done()
		_ = p.body(ctx, r) // nobody looks: that is the point
	})
}

func (p *plain) Wait() { p.all.Wait() }

func (p *plain) Close() error { p.close(); return nil }
