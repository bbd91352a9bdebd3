package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	postlude "github.com/postlude/postlude/runtime"
)

// order is what a customer wants.
type order struct {
	ID    string `json:"-"`
	Item  string `json:"item"`
	Email string `json:"email"`
	Card  string `json:"card"`
	Cents int    `json:"-"`
}

const maxBody = 64 << 10

// order takes an order on: 202 says that all of its tasks were admitted, 503 that none was.
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	o, err := readOrder(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, err := s.faults.choose(r.Context(), r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.place(ctx, o); err != nil { // the queue is full, for instance
		s.log.WarnContext(ctx, "an order was refused", "order", o.ID, "err", err)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the shop is busy", http.StatusServiceUnavailable)
		return
	}
	s.thank(w, r, o)
}

// place stores the order together with the task of its invoice: both are there, or neither
// is. Then come the tasks that only memory knows.
func (s *shop) place(ctx context.Context, o order) error {
	err := s.db.placeOrder(ctx, o, func(ctx context.Context) error { // ctx has the transaction
		_, err := postlude.Go(ctx, s.tasks.invoice.With(invoice{o.ID, o.Cents}))
		return err
	})
	if err != nil {
		return err
	}
	if err := s.schedule(ctx, o); err != nil {
		// An order that is gone gets no invoice. That the client may have gone, too, is no matter.
		return errors.Join(err, s.db.forget(context.WithoutCancel(ctx), o.ID))
	}
	return nil
}

// schedule has all tasks admitted, or none. Those that wait for something come first, as
// they can be taken back; what charges the card comes last, as it begins at once.
func (s *shop) schedule(ctx context.Context, o order) error {
	id := postlude.Attributes(attribute.String("order.id", o.ID)) // in the name, it would make a metric of each order
	stock, err1 := postlude.AfterRoute(ctx, s.tasks.reserve.With(reservation{o.ID, o.Item}), id)
	receipt, err2 := postlude.AfterResponse(ctx, s.tasks.receipt.With(message{o.ID, o.Email, "Your order"}), id)
	review, err3 := postlude.Go(ctx, s.tasks.review.With(message{o.ID, o.Email, "Do you like it?"}), id)
	err := errors.Join(err1, err2, err3)
	if err == nil {
		_, err = postlude.Go(ctx, s.tasks.charge.With(payment{o.ID, o.Email, o.Card, o.Cents}), id)
	}
	if err != nil {
		for _, waits := range []postlude.Run{stock, receipt, review} {
			waits.Cancel() // nothing, if it was not admitted
		}
	}
	return err
}

// thank answers a program with JSON, and sends a browser back to the form.
func (s *shop) thank(w http.ResponseWriter, r *http.Request, o order) {
	id := trace.SpanContextFromContext(r.Context()).TraceID().String()
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/?"+url.Values{"order": {o.ID}, "trace": {id}}.Encode(), http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]string{ // fails if the client has gone
		"order": o.ID, "trace_id": id, "trace": s.traceOf(id),
	})
}

func (s *shop) traceOf(id string) string { return strings.ReplaceAll(s.traceURL, "{trace_id}", id) }

// readOrder reads JSON or a form. What is missing is made up, for short curls.
func readOrder(w http.ResponseWriter, r *http.Request) (order, error) {
	o := order{ID: "o-" + strings.ToLower(rand.Text()[:10]), Cents: 4200}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			return o, fmt.Errorf("the body is no order: %w", err)
		}
	} else {
		if err := r.ParseForm(); err != nil {
			return o, fmt.Errorf("the body is no form: %w", err)
		}
		o.Item, o.Email, o.Card = r.PostForm.Get("item"), r.PostForm.Get("email"), r.PostForm.Get("card")
	}
	o.Item = cmp.Or(o.Item, "hat")
	o.Email = cmp.Or(o.Email, "ada@example.com")
	o.Card = cmp.Or(o.Card, "4111 1111 1111 1111")
	return o, nil
}
