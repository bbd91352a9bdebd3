package riverdurable_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/runtime/durable"
)

// TestFence: a process that stood still does not know that others took its jobs. What its
// attempts leave changes nothing.
func TestFence(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]string{
		"by another":       "UPDATE river_job SET attempt = 2, attempted_by = attempted_by || '{somebody else}'::text[]",
		"and fetched here": "UPDATE river_job SET attempt = 2",
		"and finished":     "UPDATE river_job SET state = 'completed', finalized_at = now() - interval '1 minute'", // River deletes what is a day old
		"and available":    "UPDATE river_job SET state = 'available', scheduled_at = '2090-01-01'",
	} {
		for outcome, out := range map[string]durable.Outcome{
			"failure": {Action: durable.Fail, Error: "i/o timeout", State: []byte(`{"late":1}`)},
			"success": {Action: durable.Done},
		} {
			t.Run(name+"/"+outcome, func(t *testing.T) { t.Parallel(); fenced(t, taken, out) })
		}
	}
}

// fenced has the outcome come after the statement took the job.
func fenced(t *testing.T, taken string, out durable.Outcome) {
	b := postgresBackend(t)
	h := newBlocker(out)
	r := enqueue(t, b, job("task"))
	work(t, b, h.handler)
	eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
	b.exec(taken)
	row := "SELECT CAST((state, attempt, errors, finalized_at, metadata) AS text) FROM river_job WHERE id = " + r.ID
	before := b.value(row)
	close(h.free)
	next := enqueue(t, b, job("task"))
	// When that has ended, the first outcome was to be stored, too.
	b.awaitState(t, next.ID, map[durable.Action]string{durable.Fail: "discarded", durable.Done: "completed"}[out.Action])
	if after := b.value(row); after != before {
		t.Errorf("the job of another was\n%s, and is\n%s", before, after)
	}
}

// stopper holds up the statements of a name while it is armed.
type stopper struct {
	name  string
	armed atomic.Bool
	came  chan struct{}
	free  chan struct{}
}

func newStopper(name string) *stopper {
	return &stopper{name: name, came: make(chan struct{}), free: make(chan struct{})}
}

func (s *stopper) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	if strings.Contains(d.SQL, s.name) && s.armed.Swap(false) {
		close(s.came)
		<-s.free
	}
	return ctx
}

func (*stopper) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestLateFetch: what a fetch brings after the lock was lost is not begun, but given back,
// as if it had not been fetched.
func TestLateFetch(t *testing.T) {
	t.Parallel()
	url, fetch := databaseURL(t), newStopper("SKIP LOCKED")
	b := postgresOn(t, poolWith(t, url, func(c *pgxpool.Config) { c.ConnConfig.Tracer = fetch }))
	h := newBlocker(durable.Outcome{Action: durable.Done})
	first := enqueue(t, b, job("task"))
	work(t, b, h.handler)
	eventually(t, "it runs", func() bool { return h.running.Load() == 1 })
	id := b.value("SELECT attempted_by[1] FROM river_job")

	fetch.armed.Store(true)
	second := enqueue(t, b, job("task"))
	<-fetch.came
	release := lose(t, b, url, id)
	eventually(t, "the attempt is canceled", func() bool { return h.running.Load() == 0 })
	close(fetch.free)
	eventually(t, "the second job is given back", func() bool {
		return b.value("SELECT state::text || attempt || coalesce(attempted_by[1], '') FROM river_job WHERE id = "+second.ID) == "available0"+id
	})
	if h.count() != 1 {
		t.Errorf("%d attempts without the lock", h.count())
	}
	release()
	close(h.free)
	b.awaitState(t, first.ID, "completed")
	b.awaitState(t, second.ID, "completed")
}

// TestFewErrors: a job that is tried again for ever keeps the last errors only.
func TestFewErrors(t *testing.T) {
	t.Parallel()
	b := postgresBackend(t)
	h := answer(func(context.Context, durable.Delivery) durable.Outcome {
		return durable.Outcome{Action: durable.Retry, Delay: time.Hour, Error: "the last"}
	})
	r := enqueue(t, b, job("task"))
	b.exec(`UPDATE river_job SET errors = array_fill('{"at":"2020-01-01T00:00:00Z","attempt":1,"error":"old","trace":""}'::jsonb, ARRAY[130])`)
	work(t, b, h)
	b.awaitState(t, r.ID, "retryable")
	if got := b.value("SELECT array_length(errors, 1) || (errors[100] ->> 'error') FROM river_job"); got != "100the last" {
		t.Errorf("it has the errors %s", got)
	}
}
