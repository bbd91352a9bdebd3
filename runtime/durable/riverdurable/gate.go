package riverdurable

import (
	"context"
	"sync"
)

// gate is open or closed, and can be waited for. The zero gate is closed.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed when the gate opens; nil if nobody has waited
	open   bool
	closed int // how many times
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open && !open {
		g.closed++
	}
	if g.open = open; open && g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// pass returns what tells whether the gate has been open since; nil if it is closed.
func (g *gate) pass() (valid func() bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open {
		return nil
	}
	before := g.closed
	return func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.closed == before
	}
}

func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.open {
		g.mu.Unlock()
		return nil
	}
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
	opened := g.opened
	g.mu.Unlock()
	select {
	case <-opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
