package riverdurable_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

func TestConformanceSQLite(t *testing.T) {
	t.Parallel()
	e := openSQLite(t, filepath.Join(t.TempDir(), "tasks.db"), riverdurable.RelaxedSync())
	t.Cleanup(func() { must(t, e.Close()) })
	durabletest.Exercise(t, e, durabletest.Begin(func(ctx context.Context) (any, func() error, func() error, error) {
		tx, err := e.DB().BeginTx(ctx, nil)
		if err != nil {
			return nil, nil, nil, err
		}
		return tx, tx.Commit, tx.Rollback, nil
	}))
}

func TestConformancePostgres(t *testing.T) {
	t.Parallel()
	pool := newPool(t, databaseURL(t))
	e, err := riverdurable.OpenPostgres(bg, pool)
	must(t, err)
	t.Cleanup(func() { must(t, e.Close()) })
	durabletest.Exercise(t, e, durabletest.Begin(func(ctx context.Context) (any, func() error, func() error, error) {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return nil, nil, nil, err
		}
		return tx, func() error { return tx.Commit(ctx) }, func() error { return tx.Rollback(ctx) }, nil
	}))
}
