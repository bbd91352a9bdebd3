package taskz

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/durabletest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// engine counts what it is asked, and may be away.
type engine struct {
	*durabletest.Engine
	asked atomic.Int64
	hang  atomic.Bool
	fault atomic.Bool
}

func (e *engine) Queues(ctx context.Context) ([]durable.QueueStats, error) {
	e.asked.Add(1)
	if e.fault.Load() {
		panic("driver: bad connection")
	}
	if e.hang.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return e.Engine.Queues(ctx)
}

type bill struct{ Order, Password string }

var writeInvoice = postlude.Define("write_invoice", func(context.Context, bill) error { return errBoom }, postlude.Durable())

func newDurablePage(t *testing.T, letters int) (*Handler, *engine, func(string) []map[string]any) {
	e := &engine{Engine: durabletest.NewEngine()}
	h, harness := newPage(t, postlude.Config{Engine: e, Tasks: []postlude.Definition{writeInvoice}}, Config{Authorize: ada})
	for range letters {
		settle(t, harness, writeInvoice.With(bill{"o-17", "hunter2"}))
	}
	return h, e, harness.Records
}

// askedState lets the engine answer.
func askedState(t *testing.T, h *Handler) state {
	get[state](t, h, "/")
	time.Sleep(askpace + tick)
	get[state](t, h, "/")
	synctest.Wait()
	time.Sleep(2 * tick)
	return get[state](t, h, "/")
}

// TestDeadLetters: page by page, each with its detail, and what can be done to it.
func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, records := newDurablePage(t, 5)
		s := askedState(t, h)
		if s.Durable == nil || len(s.Durable.Letters) != 5 || s.Durable.Queues[0].Dead != 5 || s.Durable.Error != "" || s.Durable.Time == nil {
			t.Fatalf("%+v", s.Durable)
		}
		var ids []string
		for next, pages := "", 0; pages == 0 || next != ""; pages++ {
			page := get[lettersJSON](t, h, "/dead-letters?limit=2&before="+next)
			for _, l := range page.Letters {
				ids = append(ids, l.ID)
			}
			next = page.Next
		}
		if len(ids) != 5 || ids[0] != s.Durable.Letters[0].ID {
			t.Fatal(ids)
		}
		d := get[letterDetail](t, h, "/dead-letters/"+ids[0])
		if !strings.Contains(d.Args, `"Password": "[REDACTED]"`) || d.Name != "write_invoice" || d.Message != "boom" || len(d.History) != 1 || d.Queue != durable.DefaultQueue || len(d.TaskID) != 36 {
			t.Errorf("%+v", d)
		}
		for path, want := range map[string]string{"/retry": "requeued", "/discard": "discarded"} {
			id := ids[len(want)%2]
			if w := request(h, "POST", "/dead-letters/"+id+path, "X-User", "ada"); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d, %s", path, w.Code, w.Body)
			}
			if w := request(h, "POST", "/dead-letters/"+id+path, "X-User", "eve"); w.Code != 403 {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		if r := records(taskconv.EventAction); len(r) != 4 || r[0][taskconv.TaskJobID] == nil {
			t.Errorf("%v", r)
		}
		for path, code := range map[string]int{"/dead-letters/none": 404, "/dead-letters?limit=0": 400, "/dead-letters?limit=101": 400, "/dead-letters?limit=x": 400, "/dead-letters?task=other": 200} {
			if w := request(h, "GET", path); w.Code != code {
				t.Errorf("%s: %d, %s", path, w.Code, w.Body)
			}
		}
	})
}

// TestEngineIsAskedSeldom: each five seconds while somebody looks, and not otherwise.
func TestEngineIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, e, _ := newDurablePage(t, 0)
		time.Sleep(time.Minute)
		if n := e.asked.Load(); n != 0 {
			t.Errorf("asked %d times for nobody", n)
		}
		ctx, leave := context.WithCancel(t.Context())
		var ends []func()
		for range 5 {
			ends = append(ends, look(h, ctx, newClient()))
		}
		time.Sleep(time.Minute - tick/2)
		leave()
		for _, end := range ends {
			end()
		}
		if n := e.asked.Load(); n < 10 || n > 12 {
			t.Errorf("asked %d times in a minute", n)
		}
	})
}

// TestEngineIsAway: the page goes on, tells so, and keeps what it knew.
func TestEngineIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, e, _ := newDurablePage(t, 1)
		askedState(t, h)
		e.hang.Store(true)
		c := newClient()
		ctx, leave := context.WithCancel(t.Context())
		end := look(h, ctx, c)
		time.Sleep(20*time.Second + tick/2)
		if n := c.count("state"); n != 21 && n != 22 { // it may look in at the very moment of a tick
			t.Errorf("%d states", n)
		}
		s := get[state](t, h, "/")
		if !strings.Contains(s.Durable.Error, "deadline") || len(s.Durable.Letters) != 1 || s.Time.Sub(*s.Durable.Time) < 20*time.Second {
			t.Errorf("%+v", s.Durable)
		}
		e.hang.Store(false)
		e.fault.Store(true)
		time.Sleep(3 * askpace)
		if s = get[state](t, h, "/"); !strings.Contains(s.Durable.Error, "bad connection") {
			t.Errorf("%+v", s.Durable)
		}
		e.fault.Store(false)
		time.Sleep(3 * askpace)
		if s = get[state](t, h, "/"); s.Durable.Error != "" || s.Time.Sub(*s.Durable.Time) > 2*askpace {
			t.Errorf("%+v", s.Durable)
		}
		leave()
		end()
	})
}

func TestStatusOfError(t *testing.T) {
	for err, want := range map[error]int{
		durable.ErrNotFound: http.StatusNotFound, postlude.ErrNoEngine: http.StatusNotFound,
		context.DeadlineExceeded: http.StatusGatewayTimeout, errors.New("disk full"): http.StatusBadGateway,
	} {
		if got := statusOfError(err); got != want {
			t.Errorf("%v: %d", err, got)
		}
	}
}
