package main

import (
	"context"
	"errors"

	"github.com/postlude/postlude/benchmarks/internal/contend"
)

const failuresName = "failures"

var errNoMail = errors.New("no mail")

// failures measures the cost of tasks of which some fail, with three handlers: two that
// are for other errors, and one that takes the failure for handled.
func failures(ctx context.Context, s spec) (values, error) {
	return costOf(ctx, s, func(_ context.Context, r contend.Receipt) error {
		// Each hundred in a row has as many that fail.
		if r.Cents%100 < s.Percent {
			return errNoMail
		}
		return nil
	})
}
