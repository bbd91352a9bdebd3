package durabletest_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/postlude/postlude/runtime/durable/durabletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExercise(t *testing.T) {
	e := durabletest.NewEngine()
	begin := durabletest.Begin(func(context.Context) (tx any, commit, rollback func() error, err error) {
		own := e.Begin()
		return own, own.Commit, own.Rollback, nil
	})
	durabletest.Exercise(t, e, begin)
}
