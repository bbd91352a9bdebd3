package page

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

// A shop in trouble: what the screenshots show.

type order struct {
	Order, To string
	Cents     int
	Card      string // masked by its name
}

type declinedError struct{ code string }

func (e *declinedError) Error() string { return "the card was declined: " + e.code }

func work(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// around is a duration like those of real work: most near d, some far above.
func around(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.6 + rand.ExpFloat64()*0.5))
}

// wave goes up and down between 0 and 1 in the given time: no traffic is even.
func wave(d time.Duration) float64 {
	return 0.5 + 0.5*math.Sin(2*math.Pi*float64(time.Now().UnixNano())/float64(d))
}

var (
	sendReceipt = postlude.Define("send_receipt", func(ctx context.Context, o order) error {
		if err := work(ctx, around(40*time.Millisecond)); err != nil || rand.IntN(25) > 0 {
			return err
		}
		return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}, postlude.OnError(postlude.Retry{Max: 3, Base: 2 * time.Second}))
	charge = postlude.Define("charge", func(ctx context.Context, o order) error {
		if err := work(ctx, around(180*time.Millisecond)); err != nil || rand.Float64() > 0.1+0.3*wave(7*time.Minute) {
			return err
		}
		return &declinedError{"insufficient_funds"}
	}, postlude.Shield(true))
	thumbnail = postlude.Define("make_thumbnail", func(ctx context.Context, path string) error {
		if err := work(ctx, around(15*time.Millisecond)); err != nil || rand.IntN(150) > 0 {
			return err
		}
		var sizes []int
		return fmt.Errorf("size %d", sizes[len(path)]) // panics
	})
	syncStock = postlude.Define("sync_stock", func(ctx context.Context, warehouse string) error {
		if err := work(ctx, around(300*time.Millisecond)); err != nil {
			return err
		}
		return fmt.Errorf("warehouse %s: %w", warehouse, context.DeadlineExceeded)
	}, postlude.OnError(postlude.Retry{Max: 8, Base: 20 * time.Second}))
	export = postlude.Define("export_report", func(ctx context.Context, month string) error {
		return work(ctx, 25*time.Minute)
	})
	invoice = postlude.Define("write_invoice", func(ctx context.Context, o order) error {
		if err := work(ctx, around(80*time.Millisecond)); err != nil || o.Cents%7 > 0 {
			return err
		}
		return errors.New("template invoice.tmpl: no field VATRate")
	}, postlude.Durable())
)

// openShop returns a runtime with the tasks of a shop, whose orders come in until the end
// of the test.
func openShop(t *testing.T) *postlude.Runtime {
	t.Helper()
	rt := newRuntime(t, postlude.Config{
		Workers: 64, Queue: 512, Engine: durabletest.NewEngine(), Tasks: []postlude.Definition{invoice},
	})
	ctx := rt.Context(context.Background())
	must := func(_ postlude.Run, err error) {
		if err != nil && !errors.Is(err, postlude.ErrShuttingDown) && !errors.Is(err, postlude.ErrQueueFull) {
			t.Error(err)
		}
	}
	for _, month := range []string{"2026-09", "2026-10"} {
		must(postlude.Go(ctx, export.With(month)))
	}
	for _, warehouse := range []string{"Bremen", "Graz", "Lyon"} {
		must(postlude.Go(ctx, syncStock.With(warehouse)))
	}
	done := make(chan struct{})
	var orders sync.WaitGroup
	orders.Go(func() {
		ticker := time.NewTicker(30 * time.Millisecond)
		defer ticker.Stop()
		for n := 1; ; n++ {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if rand.Float64() > 0.4+0.6*wave(11*time.Minute) {
				continue
			}
			o := order{fmt.Sprintf("o-%d", n), "ada@example.com", 1990 + n, "4111 1111 1111 1111"}
			must(postlude.Go(ctx, postlude.Func("count_order", func(context.Context) error { return nil })))
			must(postlude.Go(ctx, thumbnail.With(fmt.Sprintf("orders/%d.png", n))))
			must(postlude.Go(ctx, sendReceipt.With(o)))
			if n%3 == 0 {
				must(postlude.Go(ctx, charge.With(o)))
			}
			if n%10 == 0 {
				must(postlude.Go(ctx, invoice.With(o)))
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		orders.Wait()
	})
	return rt
}
