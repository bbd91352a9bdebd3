package main

import (
	"context"

	"github.com/riverqueue/river/riverdriver"

	"github.com/postlude/postlude/runtime/durable"
)

// order is the argument of all jobs, the same JSON for all variants.
type order struct {
	N     int    `json:"n"` // tells the jobs of a measurement apart
	Name  string `json:"name"`
	Cents int    `json:"cents"`
}

const kind = "work"

// Kind is what River knows the job by.
func (order) Kind() string { return kind }

func newOrder(n int) order { return order{N: n, Name: "o-17", Cents: 1999} }

// queue is a variant on a database of its own that was empty.
type queue interface {
	// start begins a session, which works jobs by do; nil: it only enqueues.
	start(ctx context.Context, do func(order)) (session, error)
	// settle has the database write and count what it has, so that it does not do so, for
	// one variant or the other, while the clock runs.
	settle(ctx context.Context) error
	// jobs counts those in a state.
	jobs(ctx context.Context, state string) (int, error)
	close() error
}

// session is what a process does with a queue.
type session interface {
	enqueue(ctx context.Context, o order) error
	// fill enqueues the orders 0 to n-1 in one transaction.
	fill(ctx context.Context, n int) error
	// stop returns when the outcomes of all jobs that ran are stored.
	stop(ctx context.Context) error
}

// variant is what is compared.
type variant struct {
	name     string
	postlude bool
	defaults bool // of raw River: its own settings, not riverdurable's
}

var (
	riverDefaults = variant{name: "River, its defaults", defaults: true}
	riverSame     = variant{name: "River, same settings"}
	postludeFull  = variant{name: "Postlude", postlude: true}
)

// backend is a kind of database.
type backend interface {
	name() string
	// about has what a reader needs to know of the database.
	about(ctx context.Context) ([]string, error)
	open(ctx context.Context, v variant) (queue, error)
}

// store is an open database, with what the kinds of databases do in different ways.
// TTx is the type of their transactions.
type store[TTx any] struct {
	driver    riverdriver.Driver[TTx] // of raw River
	engine    durable.Engine          // of Postlude
	exclusive bool                    // one process has it for itself
	inTx      func(ctx context.Context, do func(tx TTx) error) error
	exec      func(ctx context.Context, statement string) error
	number    func(ctx context.Context, query string) (int, error)
	tidy      []string // the statements of settle
	closing   func() error
}

func (s store[TTx]) settle(ctx context.Context) error {
	for _, statement := range s.tidy {
		if err := s.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (s store[TTx]) jobs(ctx context.Context, state string) (int, error) {
	return s.number(ctx, "SELECT count(*) FROM river_job WHERE state = '"+state+"'")
}

func (s store[TTx]) close() error { return s.closing() }

func queueOf[TTx any](s store[TTx], v variant) queue {
	if v.postlude {
		return postludeQueue[TTx]{s}
	}
	return riverQueue[TTx]{s, v.defaults}
}
