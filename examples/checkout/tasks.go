package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/notify"
)

// The arguments of the tasks. All of them are in records and spans, but Card is masked
// there, by its name.
type (
	payment struct {
		Order, Email, Card string
		Cents              int
	}
	reservation struct{ Order, Item string }
	message     struct{ Order, To, Subject string }
	invoice     struct {
		Order string `json:"order"`
		Cents int    `json:"cents"`
	}
)

// tasks are what an order sets off.
type tasks struct {
	charge  *postlude.Task[payment]
	reserve *postlude.Task[reservation]
	receipt *postlude.Task[message]
	review  *postlude.Task[message]
	invoice *postlude.Task[invoice]

	calls calls
	db    store
	log   *slog.Logger
}

// newTasks defines them: what is done, and what when it goes wrong.
func newTasks(cfg config, db store, c calls, log *slog.Logger) *tasks {
	t := &tasks{calls: c, db: db, log: log}
	// Nobody answered, or not as it should: that may pass. Where the answer says when to
	// come back, that counts. Jitter, so that those who failed together don't come together.
	patience := func(retries int) postlude.ErrorHandler {
		retry := postlude.Retry{Max: retries, Base: cfg.retryBase, Cap: 10 * time.Second, Jitter: 0.3}
		return postlude.Handlers(postlude.For[*url.Error](retry), postlude.For[*StatusError](retry))
	}
	// A declined card is the customer's matter: a letter in place of the payment.
	declined := postlude.Define("tell_declined", t.mail, postlude.OnError(patience(2)))
	t.charge = postlude.Define("charge", t.pay(firstProvider),
		postlude.Shield(true), // a shutdown waits for it
		postlude.Timeout(5*time.Second),
		postlude.OnError(
			postlude.On(func(_ context.Context, f *postlude.Failure, _ *DeclinedError) postlude.Verdict {
				p, _ := postlude.ArgsOf[payment](f)
				return postlude.FallbackTo(declined.With(message{p.Order, p.Email, "Your card was declined"}))
			}),
			patience(2),
		)).Fallback(postlude.Define("charge_elsewhere", t.pay(secondProvider)))
	t.reserve = postlude.Define("reserve_stock", t.reserveStock)
	t.receipt = postlude.Define("send_receipt", t.mail, postlude.Timeout(5*time.Second), postlude.OnError(patience(2))).
		Fallback(postlude.Define("text_receipt", t.text))
	t.review = postlude.Define("ask_review", t.mail,
		postlude.Delay(cfg.reviewAfter),
		postlude.Relation(postlude.LinkOnly), // a trace of its own: it is not part of what the customer waited for
		postlude.OnError(postlude.HandlerFunc("never_mind", neverMind)))
	t.invoice = postlude.Define("write_invoice", t.writeInvoice,
		postlude.Durable(), // in the database: no crash loses it
		postlude.Timeout(time.Minute),
		postlude.OnError(postlude.Retry{Max: 2, Base: cfg.retryBase}))
	return t
}

// neverMind gives up on what is not worth waking anybody. It is counted and recorded.
func neverMind(context.Context, *postlude.Failure) postlude.Verdict { return postlude.Drop }

// defaults are for all tasks: what nobody handled is told to people. Forgetting that is
// not possible.
func (t *tasks) defaults() []postlude.Option {
	return []postlude.Option{postlude.OnError(postlude.Escalate(notify.Webhook{URL: t.calls.others + "/chat"}))}
}

// all are the definitions that are checked at the start; the durable one is run here.
func (t *tasks) all() []postlude.Definition {
	return []postlude.Definition{t.charge, t.reserve, t.receipt, t.review, t.invoice}
}

func (t *tasks) pay(path string) func(context.Context, payment) error {
	return func(ctx context.Context, p payment) error {
		return t.calls.post(ctx, "payment", t.calls.payment+path, charge{Order: p.Order, Card: p.Card, Cents: p.Cents})
	}
}

func (t *tasks) mail(ctx context.Context, m message) error {
	return t.calls.post(ctx, "mail", t.calls.others+"/mail", m)
}

func (t *tasks) text(ctx context.Context, m message) error {
	return t.calls.post(ctx, "sms", t.calls.others+"/sms", m)
}

// reserveStock has a bug, for who asks for it: a panic is an error with a stack, no more.
func (t *tasks) reserveStock(ctx context.Context, r reservation) error {
	shelf := map[string]int{r.Item: 1}
	if faultOf(ctx, "stock") == "panic" {
		shelf = nil
	}
	shelf[r.Item]--
	return pause(ctx, 10*time.Millisecond)
}

// writeInvoice may run more than once, as a process may die after it and before the queue
// has heard of it. The task's id is the same each time: the database takes it once.
func (t *tasks) writeInvoice(ctx context.Context, in invoice) error {
	if faultOf(ctx, "invoice") == "fail" { // baggage travels through the queue, too
		return fmt.Errorf("order %s: %w", in.Order, errOutOfPaper)
	}
	task, _ := postlude.TaskOf(ctx)
	written, err := t.db.writeInvoice(ctx, task.ID, in.Order)
	if err == nil && !written {
		t.log.InfoContext(ctx, "nothing to write: the invoice is there, or the order is not", "order", in.Order)
	}
	return err
}

var errOutOfPaper = errors.New("the printer is out of paper")
