package riverdurable

import (
	"context"
	"errors"
	"testing"
)

// TestMoreThanOneStatement: what would not be one transaction is refused, before it does
// anything.
func TestMoreThanOneStatement(t *testing.T) {
	ctx, tx := context.Background(), &singleTx{sent: true}
	_, query := tx.Query(ctx, "SELECT 1")
	_, exec := (&singleTx{}).Exec(ctx, "SELECT 1")
	_, begin := tx.Begin(ctx)
	_, prepare := tx.Prepare(ctx, "", "")
	_, copied := tx.CopyFrom(ctx, nil, nil, nil)
	batch := tx.SendBatch(ctx, nil)
	_, batchExec := batch.Exec()
	_, batchQuery := batch.Query()
	for i, err := range []error{
		query, exec, begin, prepare, copied, batchExec, batchQuery, batch.Close(), batch.QueryRow().Scan(),
		tx.QueryRow(ctx, "SELECT 1").Scan(), tx.Commit(ctx), tx.Rollback(ctx),
	} {
		if !errors.Is(err, errSingle) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
