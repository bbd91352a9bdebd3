package riverdurable_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postlude/postlude/runtime/durable"
)

// lateConn has a context end when a statement has been sent, before its answer is read.
type lateConn struct {
	net.Conn
	armed *atomic.Pointer[func()]
}

func (c lateConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if late := c.armed.Swap(nil); late != nil {
		(*late)()
	}
	return n, err
}

// TestEndWhileAnswering: a job that is stored is no error, even if the caller went away.
func TestEndWhileAnswering(t *testing.T) {
	t.Parallel()
	var armed atomic.Pointer[func()]
	url := databaseURL(t)
	b := postgresOn(t, poolWith(t, url, func(c *pgxpool.Config) {
		c.MaxConns = 1 // the one that the statement is prepared on
		wrapped(func(conn net.Conn) net.Conn { return lateConn{conn, &armed} })(c)
	}))
	other := newPool(t, url)
	enqueue(t, b, job("task")) // all is prepared
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	end := func() {
		for stored := 0; stored == 0; {
			if err := other.QueryRow(bg, "SELECT count(*) FROM river_job WHERE kind = 'late'").Scan(&stored); err != nil {
				t.Error(err)
				break
			}
		}
		cancel()
		time.Sleep(20 * time.Millisecond) // whoever watches the context notices
	}
	armed.Store(&end)
	r, err := b.Enqueue(ctx, job("late"))
	if err != nil || ctx.Err() == nil {
		t.Errorf("Enqueue: %v; the context: %v", err, ctx.Err())
	}
	if got := b.value("SELECT id FROM river_job WHERE kind = 'late'"); got != r.ID {
		t.Errorf("stored is %q, and the receipt says %q", got, r.ID)
	}
}

// TestEndWhileEnqueuing: whenever the context ends, an error means that nothing is stored.
func TestEndWhileEnqueuing(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		stored := 0
		for i := range 100 {
			ctx, cancel := context.WithTimeout(bg, time.Duration(i)*20*time.Microsecond)
			_, err := b.Enqueue(ctx, job("task"))
			if err == nil {
				stored++
			} else if ctx.Err() == nil {
				t.Fatal(err)
			}
			cancel()
		}
		var got int
		must(t, json.Unmarshal([]byte(b.value("SELECT count(*) FROM river_job")), &got))
		if got != stored {
			t.Errorf("%d are stored, and %d were", got, stored)
		}
	})
}

func TestNilTx(t *testing.T) {
	each(t, nil, func(t *testing.T, b backend) {
		for _, tx := range []any{(*sql.Tx)(nil), (*pgxpool.Tx)(nil)} {
			if _, err := b.Enqueue(durable.WithTx(bg, tx), job("task")); !errors.Is(err, durable.ErrTx) {
				t.Errorf("%T: %v", tx, err)
			}
		}
	})
}

// TestTxUnspoilt: what PostgreSQL would refuse is refused before, or the transaction of the
// application could not go on. What is taken, it takes.
func TestTxUnspoilt(t *testing.T) {
	t.Parallel()
	b := postgresBackend(t)
	for args, ok := range map[string]bool{
		`"\u0000"`: false, `"\\u0000"`: true, `"\\\u0000"`: false, `{"\u0000":1}`: false,
		`"\ud800"`: false, `"\udc00"`: false, `"\ud83d\ude00"`: true, `"\uD83D\uDE00"`: true, `"\ud800\ud800"`: false,
		`"\ud83d\\ude00"`: false, `"\ud800x"`: false, `"\ude00\ud83d"`: false, `"\ud83d\ude00\udc00"`: false,
		`"\\ud800"`: true, `["\"\ud800"]`: false, "\"\xff\"": false, "\"\xed\xa0\x80\"": false, `"é😀"`: true,
		`1e10000`: true, `-1.5E-10000`: true, `1e99999`: false, `1e-99999`: false, `[1,1e999999999999999999999]`: false,
		strings.Repeat("1", 20_000): false, `{"e":"1e99999"}`: true, `[0,-0.5,1E+2,{"a":1e3}]`: true,
	} {
		tx, commit, _ := b.begin()
		j := job("task")
		j.Args = json.RawMessage(args)
		if _, err := b.Enqueue(durable.WithTx(bg, tx), j); (err == nil) != ok {
			t.Errorf("%.40s: %v", args, err)
		}
		enqueue(t, inTx{b, tx}, job("task"))
		must(t, commit())
	}
	for _, name := range []string{"a\x00b", "\xff"} {
		if _, err := b.Enqueue(bg, job(name)); err == nil || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("the name %q: %v", name, err)
		}
	}
}

type inTx struct {
	backend
	tx any
}

func (e inTx) Enqueue(ctx context.Context, j durable.Job) (durable.Receipt, error) {
	return e.backend.Enqueue(durable.WithTx(ctx, e.tx), j)
}
