package durabletest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

// TestKeyOfAnOpenTransaction: whether a job is a duplicate is not clear before the
// transaction with the first has ended, so Enqueue waits, as it does in PostgreSQL.
func TestKeyOfAnOpenTransaction(t *testing.T) {
	for name, c := range map[string]struct {
		end       func(*durabletest.Tx) error
		duplicate bool
	}{
		"committed":   {(*durabletest.Tx).Commit, true},
		"rolled back": {(*durabletest.Tx).Rollback, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := durabletest.NewEngine()
				tx := e.Begin()
				j := job("task", durable.Unique("key"))
				if _, err := e.Enqueue(durable.WithTx(t.Context(), tx), j); err != nil {
					t.Fatal(err)
				}
				ended := false
				time.AfterFunc(time.Minute, func() {
					ended = true
					if err := c.end(tx); err != nil {
						t.Error(err)
					}
				})
				r, err := e.Enqueue(t.Context(), j)
				if err != nil || !ended || (r.Duplicate != nil) != c.duplicate {
					t.Errorf("Enqueue returned %+v, %v; and it is %v that the transaction had ended", r, err, ended)
				}
			})
		})
	}
}

func TestEnqueueGivesUpOnAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := durabletest.NewEngine()
		tx := e.Begin()
		j := job("task", durable.Unique("key"))
		if _, err := e.Enqueue(durable.WithTx(t.Context(), tx), j); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := e.Enqueue(ctx, j); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Enqueue: %v", err)
		}
	})
}

func TestTransactionsOfOthers(t *testing.T) {
	e := durabletest.NewEngine()
	for _, tx := range []*durabletest.Tx{durabletest.NewEngine().Begin(), nil} {
		if _, err := e.Enqueue(durable.WithTx(t.Context(), tx), job("task")); !errors.Is(err, durable.ErrTx) {
			t.Errorf("Enqueue: %v", err)
		}
	}
	if n := len(e.Jobs()); n != 0 {
		t.Errorf("%d jobs were stored", n)
	}
}

func TestTransactionsEndOnce(t *testing.T) {
	e := durabletest.NewEngine()
	tx := e.Begin()
	if _, err := e.Enqueue(durable.WithTx(t.Context(), tx), job("task")); err != nil {
		t.Fatal(err)
	}
	if n := len(e.Jobs()); n != 0 {
		t.Errorf("%d jobs are there before the commit", n)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	for _, end := range []func() error{tx.Commit, tx.Rollback} {
		if err := end(); !errors.Is(err, durabletest.ErrTxEnded) {
			t.Errorf("after the commit: %v", err)
		}
	}
	if n := e.Pending(); n != 1 {
		t.Errorf("%d jobs are pending, want 1", n)
	}
}
