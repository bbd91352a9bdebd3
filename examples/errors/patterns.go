package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// Operation is work that a service does for us.
type Operation struct{ Simulate string }

func (a *app) operate(ctx context.Context, o Operation) error {
	return a.call(ctx, "operations", o.Simulate, o)
}

// Pattern 1, tell an external service: a handler decides at once, and the slow part is
// work that it hands over with Then. The runtime runs it when the attempt's span has
// ended, waits for it, times it, traces it, and logs its error: nothing to forget.
func (a *app) toTracker() postlude.ErrorHandler {
	return postlude.HandlerFunc("to_tracker", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		return postlude.Handled.Then(func(ctx context.Context) error { return a.tracker.Notify(ctx, f) })
	})
}

func (a *app) monitored() http.HandlerFunc {
	monitored := postlude.Define("monitored_task", a.operate, postlude.OnError(a.toTracker()))
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := postlude.Go(r.Context(), monitored.With(Operation{Simulate: "unknown"}))
		answer(w, "ok", err)
	}
}

// Order is what the warehouse shall send. Fail says how often it can't.
type Order struct{ ID, Fail string }

func (a *app) restock(ctx context.Context, o Order) error { return a.call(ctx, "warehouse", o.Fail, o) }

// Pattern 2, retry: a policy is a value. No worker and no goroutine waits for the next
// attempt, which is a span of its own, linked to the one before. When the retries are
// used up, Retry passes, and those who are to be told are told once, with the history.
//
//	?fail=2            the default: two attempts fail, the third succeeds
//	?fail=9            four attempts fail, and somebody is told
//	?fail=validation   the order is wrong, a Permanent error: it is not tried again
func (a *app) retry() http.HandlerFunc {
	flaky := postlude.Define("flaky_task", a.restock, postlude.OnError(
		postlude.Retry{Max: 3, Base: a.baseDelay}, // add Jitter: 1 where many fail at once
		postlude.Escalate(a.chat, a.tracker),
	))
	return func(w http.ResponseWriter, r *http.Request) {
		order := Order{ID: "o-" + rand.Text()[:6], Fail: cmp.Or(r.FormValue("fail"), "2")}
		_, err := postlude.Go(r.Context(), flaky.With(order))
		answer(w, "ok", err)
	}
}

// Email is a mail to send. Simulate is how the first mail service shall fare.
type Email struct{ To, Subject, Body, Simulate string }

func (a *app) sendPrimary(ctx context.Context, e Email) error {
	return a.call(ctx, "mail/primary", e.Simulate, e)
}

func (a *app) sendBackup(ctx context.Context, e Email) error {
	return a.call(ctx, "mail/backup", "", e)
}

// Pattern 3, fallback: another task with arguments of the same type; the compiler sees to
// that. If it succeeds, so has the task. It is tried when no handler decided otherwise:
// an invalid address is as invalid there, so that failure is handled by being logged.
//
//	?primary=network   the default: the first mail service can't be reached
//	?primary=invalid   it refuses the address
//	?primary=ok        it works
func (a *app) emailFallback() http.HandlerFunc {
	backup := postlude.Define("send_email_backup", a.sendBackup)
	send := postlude.Define("send_email", a.sendPrimary, postlude.OnError(
		postlude.On(func(context.Context, *postlude.Failure, *ValidationError) postlude.Verdict {
			return postlude.Handled
		}),
	)).Fallback(backup)
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := postlude.Go(r.Context(), send.With(Email{
			To: cmp.Or(r.FormValue("email"), "ada@example.com"), Subject: "Welcome",
			Body: "Thanks for signing up!", Simulate: cmp.Or(r.FormValue("primary"), "network"),
		}))
		answer(w, "ok", err)
	}
}

// Payment is what is to be charged. The card is in no record, span or page: its name says
// that it is masked.
type Payment struct {
	ID             int
	Customer, Card string
	Simulate       string
}

func (a *app) processPayment(ctx context.Context, p Payment) error {
	return a.call(ctx, "payments", p.Simulate, p)
}

// Pattern 4, tell people: Escalate names who is told when nobody else decided. Shield
// lets the payment finish though the server is told to stop. That the card was declined
// is the customer's matter: no page, but a mail in place of the payment.
//
//	?payment=error      the default: the payment service is broken, somebody is paged
//	?payment=declined   the customer is asked for another card
//	?payment=ok         it works
func (a *app) critical() http.HandlerFunc {
	askForCard := postlude.Define("ask_for_another_card", a.sendPrimary)
	payment := postlude.Define("critical_payment_processing", a.processPayment,
		postlude.Shield(true),
		postlude.Timeout(10*time.Second),
		postlude.OnError(
			postlude.On(func(_ context.Context, f *postlude.Failure, _ *DeclinedError) postlude.Verdict {
				p, _ := postlude.ArgsOf[Payment](f)
				return postlude.FallbackTo(askForCard.With(Email{To: p.Customer, Subject: "Your card was declined"}))
			}),
			postlude.Escalate(a.chat, a.tracker),
		))
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := postlude.Go(r.Context(), payment.With(Payment{
			ID: 12345, Customer: "ada@example.com", Card: "4111 1111 1111 1111",
			Simulate: cmp.Or(r.FormValue("payment"), "error"),
		}))
		answer(w, "processing", err)
	}
}
