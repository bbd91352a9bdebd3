package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// One order is one trace, across two services, a durable queue and every timing; the
// review, much later, has a trace of its own, linked to it.
func TestTrace(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	_, id := s.order("payment=flaky", nil)
	s.settle(1)
	const want = `shop: SERVER POST /orders
  shop: CONSUMER run charge 1
    shop: CLIENT POST /charges 503
      payment: SERVER POST /charges
  shop: CONSUMER run charge 2
    shop: CLIENT POST /charges 201
      payment: SERVER POST /charges
        payment: CONSUMER run book_charge 1
  shop: CONSUMER run reserve_stock 1
  shop: CONSUMER run send_receipt 1
    shop: CLIENT POST /mail 200
  shop: PRODUCER schedule write_invoice
    shop: CONSUMER run write_invoice 1
`
	if got := s.tree(id); got != want {
		t.Errorf("spans:\n%swant:\n%s", got, want)
	}
	s.checkLinks(id)
}

// checkLinks looks at what each attempt follows from: the span that scheduled it, and the
// attempt before.
func (s *shopping) checkLinks(id string) {
	s.t.Helper()
	reviews := 0
	for _, span := range s.trace.Ended() {
		if span.SpanKind() != trace.SpanKindConsumer {
			continue
		}
		linked := func(to trace.SpanID) bool {
			return slices.ContainsFunc(span.Links(), func(l sdktrace.Link) bool { return l.SpanContext.SpanID() == to })
		}
		switch {
		case span.Name() == "run ask_review":
			reviews++
			if span.Parent().IsValid() || len(span.Links()) != 1 || span.Links()[0].SpanContext.TraceID().String() != id {
				s.t.Errorf("%s: parent %v, links %v", span.Name(), span.Parent(), span.Links())
			}
		case !linked(span.Parent().SpanID()):
			s.t.Errorf("%s is not linked to its parent: %v", span.Name(), span.Links())
		case attributes(span)["task.attempt"] == "2" && len(span.Links()) != 2:
			s.t.Errorf("%s 2 has links %v", span.Name(), span.Links())
		}
	}
	if reviews != 1 {
		s.t.Errorf("%d reviews were asked for", reviews)
	}
}

// tree draws a trace, a line for each span below its parent.
func (s *shopping) tree(id string) string {
	spans := slices.DeleteFunc(s.trace.Ended(), func(s sdktrace.ReadOnlySpan) bool {
		return s.SpanContext().TraceID().String() != id
	})
	slices.SortFunc(spans, func(a, b sdktrace.ReadOnlySpan) int { return cmp.Compare(gist(a), gist(b)) })
	var b strings.Builder
	var draw func(parent trace.SpanID, indent string)
	draw = func(parent trace.SpanID, indent string) {
		for _, s := range spans {
			if s.Parent().SpanID() == parent {
				fmt.Fprintf(&b, "%s%s\n", indent, gist(s))
				draw(s.SpanContext().SpanID(), indent+"  ")
			}
		}
	}
	draw(trace.SpanID{}, "")
	return b.String()
}

func gist(s sdktrace.ReadOnlySpan) string {
	service, _ := s.Resource().Set().Value("service.name")
	a := attributes(s)
	text := fmt.Sprintf("%s: %s %s", service.AsString(), strings.ToUpper(s.SpanKind().String()), s.Name())
	switch s.SpanKind() {
	case trace.SpanKindConsumer:
		text += " " + a["task.attempt"]
	case trace.SpanKindClient:
		text += " " + a["http.response.status_code"]
	}
	return text
}

func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	m := map[string]string{}
	for _, kv := range s.Attributes() {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}
