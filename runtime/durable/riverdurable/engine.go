package riverdurable

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/postlude/postlude/runtime/durable"
)

// engine is what the two databases have in common. TTx is the type of their transactions.
type engine[TTx any] struct {
	config
	driver    riverdriver.Driver[TTx]
	client    *river.Client[TTx] // inserts only
	store     store
	txName    string
	refuseNUL bool
	// insert is that of an Enqueue without a transaction.
	insert func(context.Context, newJob, *river.InsertOpts) (*rivertype.JobInsertResult, error)
	// claim secures that jobs which the session is given stay its own, see claims. nil if
	// nobody else could take them.
	claim func(ctx context.Context, s *session[TTx]) (claim, error)

	closed   atomic.Bool
	mu       sync.Mutex
	sessions map[string]*session[TTx] // by their ids
}

func newEngine[TTx any](cfg config, driver riverdriver.Driver[TTx], db database, d dialect) (*engine[TTx], error) {
	client, err := river.NewClient(driver, &river.Config{
		FetchCooldown:       river.FetchCooldownMin,        // how often it notifies workers of inserts
		Logger:              slog.New(slog.DiscardHandler), // it returns its errors
		MaxAttempts:         maxAttempts,
		Middleware:          []rivertype.Middleware{&insertion{sqlite: driver.DatabaseName() == riverdriver.DatabaseNameSQLite}},
		SkipUnknownJobCheck: true,
	})
	if err != nil {
		return nil, fmt.Errorf("riverdurable: %w", err)
	}
	e := &engine[TTx]{
		config: cfg, driver: driver, client: client, store: store{db: db, dialect: d}, sessions: map[string]*session[TTx]{},
	}
	e.insert = e.insertTx
	return e, nil
}

func idOf(id int64) string { return strconv.FormatInt(id, 10) }

// parseID is the opposite of idOf; what that never returns is the id of nothing.
func parseID(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 || idOf(n) != id {
		return 0, durable.ErrNotFound
	}
	return n, nil
}

// migrate brings the tables to the version that River needs, or checks that they are.
func migrate[TTx any](ctx context.Context, driver riverdriver.Driver[TTx], checkOnly bool, hint string) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	res, err := m.Validate(ctx, nil)
	switch {
	case err != nil:
		return fmt.Errorf("reading the version of River's tables: %w", err)
	case res.OK:
		return nil
	case checkOnly:
		return fmt.Errorf("the tables of River are not of this version (%s), and CheckOnly forbids to migrate them: run %s, or open the engine without CheckOnly once", strings.Join(res.Messages, "; "), hint)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrating River's tables: %w", err)
	}
	return nil
}

// register gives the session an id of its own. Those of a configured process are numbered
// if there are several at a time, so that a restart finds the same ones.
func (e *engine[TTx]) register(s *session[TTx]) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return errClosed
	}
	base := e.processID
	if base == "" {
		base = madeUpID()
	}
	for n := 1; ; n++ {
		s.id = idPrefix + base
		if n > 1 {
			s.id += "/" + strconv.Itoa(n)
		}
		if e.sessions[s.id] == nil {
			e.sessions[s.id] = s
			return nil
		}
	}
}

func (e *engine[TTx]) unregister(s *session[TTx]) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s.id)
}

// shut forbids what is new, unless there are sessions that still need the database.
func (e *engine[TTx]) shut() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.sessions); n > 0 {
		return fmt.Errorf("riverdurable: %d sessions still work on the engine: shut the runtimes down before it is closed", n)
	}
	e.closed.Store(true)
	return nil
}

func (e *engine[TTx]) Queues(ctx context.Context) ([]durable.QueueStats, error) {
	stats, err := e.store.queues(ctx)
	return stats, wrap("counting the jobs of the queues", err)
}

func (e *engine[TTx]) DeadLetters(ctx context.Context, q durable.Query) ([]durable.DeadLetter, error) {
	letters, err := e.store.letters(ctx, q)
	return letters, wrap("listing the dead letters", err)
}

func (e *engine[TTx]) DeadLetter(ctx context.Context, id string) (durable.DeadLetter, error) {
	letter, err := e.store.letter(ctx, id)
	return letter, wrap("reading dead letter "+strconv.Quote(id), err)
}

func (e *engine[TTx]) Retry(ctx context.Context, id string) error {
	return wrap("retrying dead letter "+strconv.Quote(id), e.store.retry(ctx, id))
}

func (e *engine[TTx]) Discard(ctx context.Context, id string) error {
	return wrap("discarding dead letter "+strconv.Quote(id), e.store.discard(ctx, id))
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("riverdurable: %s: %w", doing, err)
}
