package durabletest

import (
	"errors"
	"fmt"

	"github.com/postlude/postlude/runtime/durable"
)

// Tx is a transaction of an Engine: jobs that are enqueued with durable.WithTx(ctx, tx)
// exist when it is committed.
type Tx struct {
	e     *Engine
	jobs  []*job
	ended bool
	done  chan struct{} // closed at the end
}

// ErrTxEnded is what a transaction that has ended answers.
var ErrTxEnded = errors.New("durabletest: the transaction was committed or rolled back before")

// Begin begins a transaction.
func (e *Engine) Begin() *Tx { return &Tx{e: e, done: make(chan struct{})} }

// Commit makes the jobs of the transaction known.
func (tx *Tx) Commit() error {
	return tx.end(tx.e.appear)
}

// Rollback undoes what was enqueued. After Commit it does nothing, and says so.
func (tx *Tx) Rollback() error {
	return tx.end(tx.e.free)
}

func (tx *Tx) end(each func(*job)) error {
	tx.e.mu.Lock()
	defer tx.e.mu.Unlock()
	if tx.ended {
		return ErrTxEnded
	}
	tx.ended = true
	for _, j := range tx.jobs {
		each(j)
	}
	tx.e.settle()
	close(tx.done)
	return nil
}

// open returns what a context has as its transaction; nil if it has none.
func (e *Engine) open(value any) (*Tx, error) {
	if value == nil {
		return nil, nil
	}
	tx, ok := value.(*Tx)
	switch {
	case !ok || tx == nil:
		return nil, fmt.Errorf("%w: it is a %T, and this engine's are those of Begin", durable.ErrTx, value)
	case tx.e != e:
		return nil, fmt.Errorf("%w: it is of another durabletest.Engine", durable.ErrTx)
	case tx.ended:
		return nil, ErrTxEnded
	}
	return tx, nil
}

// free lets others have the job's key.
func (e *Engine) free(j *job) {
	if j.Unique != "" && e.keys[j.key()] == j {
		delete(e.keys, j.key())
	}
}
