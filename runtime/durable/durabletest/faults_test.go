package durabletest_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

type fault struct {
	name    string
	foundBy string
	set     func(*broken)
}

func faults() []fault {
	return slices.Concat(enqueueFaults, deliverFaults, outcomeFaults, letterFaults, sessionFaults)
}

// jobs makes a fault of what is done to a job on its way in.
func jobs(change func(*durable.Job)) func(*broken) {
	return func(b *broken) {
		b.enqueue = func(ctx context.Context, j durable.Job) (durable.Receipt, error) {
			change(&j)
			return b.Engine.Enqueue(ctx, j)
		}
	}
}

// receipts makes a fault of what is done to a receipt.
func receipts(change func(durable.Job, *durable.Receipt)) func(*broken) {
	return func(b *broken) {
		b.enqueue = func(ctx context.Context, j durable.Job) (durable.Receipt, error) {
			r, err := b.Engine.Enqueue(ctx, j)
			change(j, &r)
			return r, err
		}
	}
}

var enqueueFaults = []fault{
	{"stores what it refuses", "Enqueue/canceled context", func(b *broken) {
		b.enqueue = func(ctx context.Context, j durable.Job) (durable.Receipt, error) {
			r, err := b.Engine.Enqueue(context.WithoutCancel(ctx), j)
			if ctx.Err() != nil {
				return durable.Receipt{}, ctx.Err()
			}
			return r, err
		}
	}},
	{"takes any transaction", "Enqueue/wrong transaction", func(b *broken) {
		b.enqueue = func(ctx context.Context, j durable.Job) (durable.Receipt, error) {
			if _, ok := durable.TxOf(ctx).(*durabletest.Tx); !ok {
				ctx = durable.WithTx(ctx, nil)
			}
			return b.Engine.Enqueue(ctx, j)
		}
	}},
	{"ignores transactions", "Tx/committed", ignoreTx},
	{"can't roll back", "Tx/rolled back", ignoreTx},
	{"loses what is committed", "Tx/committed without a session", func(b *broken) {
		b.commit = (*durabletest.Tx).Rollback
	}},
	{"works after a commit", "Tx/after its end", func(b *broken) {
		b.commit = func(*durabletest.Tx) error { return nil }
	}},
	{"keeps the caller's buffers", "Enqueue/copies", func(b *broken) {
		var kept sync.Map
		receipts(func(j durable.Job, r *durable.Receipt) { kept.Store(r.ID, j.Args) })(b)
		b.before = func(_ *durable.Worker, d *durable.Delivery) {
			args, _ := kept.Load(d.ID)
			d.Args = args.(json.RawMessage)
		}
	}},
	{"has no ids", "Enqueue/without a session", receipts(func(_ durable.Job, r *durable.Receipt) { r.ID = "" })},
	{"ignores At", "Options/at", jobs(func(j *durable.Job) { j.At = time.Time{} })},
	{"ignores Priority", "Options/priority", jobs(func(j *durable.Job) { j.Priority = 1 })},
	{"ignores Unique", "Unique/waiting", jobs(func(j *durable.Job) { j.Unique = "" })},
	{"never frees a key", "Unique/until done", jobs(func(j *durable.Job) { j.UniqueUntilDone = false })},
	{"frees every key", "Unique/done", jobs(func(j *durable.Job) { j.UniqueUntilDone = true })},
	{"returns the wrong envelope", "Unique/waiting", receipts(func(j durable.Job, r *durable.Receipt) {
		if r.Duplicate != nil {
			r.Duplicate = j.Envelope
		}
	})},
	{"unites what differs in case", "Unique/keys are apart", jobs(func(j *durable.Job) { j.Unique = strings.ToLower(j.Unique) })},
	{"loses jobs in a crowd", "Crowd/enqueue during work", func(b *broken) {
		var n atomic.Int64
		jobs(func(j *durable.Job) {
			if n.Add(1)%100 == 0 {
				j.Task = "lost"
			}
		})(b)
	}},
}

func ignoreTx(b *broken) {
	b.enqueue = func(ctx context.Context, j durable.Job) (durable.Receipt, error) {
		return b.Engine.Enqueue(durable.WithTx(ctx, nil), j)
	}
}
