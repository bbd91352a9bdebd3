package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/dashboards/taskz"
	"github.com/postlude/postlude/e2e/internal/hostile"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
)

// window is that of escalations: the third failure comes after it, and tells of the second.
const window = time.Second

// scene is what happens, in the order of play.
type scene struct {
	rt       *postlude.Runtime
	ctx      context.Context
	root     trace.Span
	own      string // what the program logs itself
	invoice  *postlude.Task[order]
	invoices chan struct{} // an invoice is being written
}

func newScene() *scene {
	s := &scene{own: hostile.Text, invoices: make(chan struct{}, 1)}
	s.invoice = postlude.Define("invoice", s.writeInvoice, postlude.Durable())
	return s
}

// order is what the tasks are given.
type order struct {
	ID       string
	Lines    []string
	Total    float64
	Paid     bool
	Password string
	Notes    map[string]string
}

var anOrder = order{
	ID: "o-17", Lines: []string{"hat", hostile.Text}, Total: 17.5, Password: "hunter2",
	Notes: map[string]string{"\"quoted\"\n{": hostile.Text},
}

func (s *scene) play() error {
	for _, act := range []func() error{s.succeed, s.fail, s.recover, s.escalate, s.durable, s.act, s.leave} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// end runs a task to its end. That it fails is what it is for.
func (s *scene) end(j postlude.Job, opts ...postlude.Option) error {
	run, err := postlude.Go(s.ctx, j, opts...)
	if err != nil {
		return err
	}
	select {
	case <-run.Done():
		return nil
	case <-s.ctx.Done():
		return fmt.Errorf("waiting for task %s: %w", run.ID(), context.Cause(s.ctx))
	}
}

func (s *scene) succeed() error {
	well := postlude.Define("goes_well", func(ctx context.Context, _ order) error {
		slog.InfoContext(ctx, s.own, "wait", 1500*time.Microsecond, "err", errors.New(s.own))
		return nil
	})
	return s.end(well.With(anOrder), postlude.Shield(true), postlude.Attributes(
		attribute.String("shop.note", hostile.Text), attribute.Int("shop.lines", 2),
		attribute.Float64("shop.total", 17.5), attribute.Bool("shop.paid", true),
	))
}

// act has somebody try to cancel a task through the page who may not.
func (s *scene) act() error {
	page := taskz.New(s.rt, taskz.Config{Authorize: func(*http.Request) (string, error) { return hostile.Shown, errors.New(hostile.Shown) }})
	defer page.Close()
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequestWithContext(s.ctx, http.MethodPost, "/tasks/nobody/cancel", nil))
	if w.Code != http.StatusForbidden {
		return fmt.Errorf("the page answered %d: %s", w.Code, w.Body)
	}
	return nil
}

// failure is an error that carries a long stack.
type failure struct{}

func (failure) Error() string      { return hostile.Text }
func (failure) StackTrace() string { return hostile.Stack() }

func (s *scene) fail() error {
	failing := postlude.Define("fails", func(context.Context, order) error { return failure{} })
	panicking := postlude.Func("panics", func(context.Context) error { panic(hostile.Text) })
	broken := postlude.HandlerFunc("broken_handler", func(context.Context, *postlude.Failure) postlude.Verdict { panic(hostile.Text) })
	dropping := postlude.HandlerFunc("dropping", func(context.Context, *postlude.Failure) postlude.Verdict { return postlude.Drop })
	return errors.Join(s.end(failing.With(anOrder), postlude.OnError(broken)), s.end(panicking), s.end(failing.With(anOrder), postlude.OnError(dropping)))
}

// recover retries until the budget is spent, and calls a fallback.
func (s *scene) recover() error {
	well := postlude.Define("backup", func(context.Context, order) error { return nil })
	flaky := postlude.Define("flaky", func(context.Context, order) error { return failure{} },
		postlude.OnError(postlude.Retry{Max: 3, Base: 1500 * time.Microsecond})).Fallback(well)
	return s.end(flaky.With(anOrder))
}

// pager is told, and has nothing to do.
type pager struct{}

func (pager) Notify(context.Context, *postlude.Failure) error { return nil }

func (s *scene) escalate() error {
	critical := postlude.Define("critical", func(context.Context, order) error { return failure{} },
		postlude.OnError(postlude.Escalate(pager{})))
	err := errors.Join(s.end(critical.With(anOrder)), s.end(critical.With(anOrder)))
	time.Sleep(window + window/10) // until the next may be escalated
	return errors.Join(err, s.end(critical.With(anOrder)))
}

// writeInvoice goes on until it is interrupted.
func (s *scene) writeInvoice(ctx context.Context, _ order) error {
	s.invoices <- struct{}{}
	<-ctx.Done()
	return context.Cause(ctx)
}

// durable enqueues a task that this process runs, twice, and one that it does not.
func (s *scene) durable() error {
	once := postlude.Queueing(durable.Unique("o-17"))
	err := errors.Join(s.end(s.invoice.With(anOrder), once), s.end(s.invoice.With(anOrder), once))
	elsewhere := postlude.Define("elsewhere", func(context.Context, order) error { return nil }, postlude.Durable())
	err = errors.Join(err, s.end(elsewhere.With(anOrder)))
	select {
	case <-s.invoices: // it will be interrupted by the shutdown
	case <-s.ctx.Done():
		err = errors.Join(err, context.Cause(s.ctx))
	}
	return err
}

// leave schedules what the shutdown finds waiting.
func (s *scene) leave() error {
	_, err := postlude.Go(s.ctx, postlude.Func("comes_too_late", func(context.Context) error { return nil }), postlude.Delay(time.Hour))
	return err
}
