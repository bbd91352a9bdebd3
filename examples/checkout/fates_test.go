package main

import (
	"slices"
	"strings"
	"testing"
)

// well are the records of an order with which all goes well, by their gist.
var well = []string{
	"charged", "mail sent", "succeeded book_charge 1", "succeeded charge 1",
	"succeeded reserve_stock 1", "succeeded send_receipt 1", "succeeded write_invoice 1",
}

// fates are what is different when something goes wrong: records that are there, and,
// with a minus, those that are not.
var fates = map[string][]string{
	"":              nil,
	"payment=slow":  nil,
	"payment=flaky": {"-succeeded charge 1", "retrying charge 1 *main.StatusError", "succeeded charge 2"},
	"payment=declined": {
		"-charged", "-succeeded book_charge 1",
		"fallback charge 1 *main.DeclinedError", "mail sent",
	},
	"payment=down": {
		"-succeeded charge 1", "retrying charge 1 *main.StatusError", "retrying charge 2 *main.StatusError",
		"fallback charge 3 *main.StatusError", "succeeded charge 3",
	},
	"payment=out": {
		"-charged", "-succeeded book_charge 1", "-succeeded charge 1",
		"retrying charge 1 *main.StatusError", "retrying charge 2 *main.StatusError",
		"fallback charge 3 *main.StatusError", "failed charge 3 *main.StatusError", "escalated charge 3 *main.StatusError",
	},
	"mail=flaky": {"-succeeded send_receipt 1", "retrying send_receipt 1 *main.StatusError", "succeeded send_receipt 2"},
	"mail=down": {
		"-mail sent", "-succeeded send_receipt 1",
		"retrying send_receipt 1 *main.StatusError", "retrying send_receipt 2 *main.StatusError",
		"fallback send_receipt 3 *main.StatusError", "sms sent", "succeeded send_receipt 3",
	},
	"mail=out": {
		"-mail sent", "-succeeded send_receipt 1",
		"retrying send_receipt 1 *main.StatusError", "retrying send_receipt 2 *main.StatusError",
		"fallback send_receipt 3 *main.StatusError", "failed send_receipt 3 *main.StatusError",
		"escalated send_receipt 3 *main.StatusError",
	},
	"stock=panic": {
		"-succeeded reserve_stock 1",
		"failed reserve_stock 1 runtime.plainError", "escalated reserve_stock 1 runtime.plainError",
	},
	"invoice=fail": {
		"-succeeded write_invoice 1",
		"retrying write_invoice 1 *errors.errorString", "retrying write_invoice 2 *errors.errorString",
		"failed write_invoice 3 *errors.errorString", "escalated write_invoice 3 *errors.errorString",
	},
}

// TestFates: each fault has the outcome that its button says, in the trace of its order.
func TestFates(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	traces := map[string]string{}
	for query := range fates {
		_, traces[query] = s.order(query, nil)
	}
	s.settle(len(fates))
	for query, change := range fates {
		t.Run(query, func(t *testing.T) {
			got := s.gists(traces[query])
			if want := applied(change); !slices.Equal(got, want) {
				t.Errorf("records:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
	s.checkReviews()
	s.checkChat()
}

func applied(change []string) []string {
	want := slices.Clone(well)
	for _, c := range change {
		if gone, ok := strings.CutPrefix(c, "-"); ok {
			i := slices.Index(want, gone)
			want = slices.Delete(want, i, i+1)
		} else {
			want = append(want, c)
		}
	}
	slices.Sort(want)
	return want
}

func (s *shopping) gists(trace string) (all []string) {
	for _, r := range s.find(func(r record) bool { return r.text("trace_id") == trace }) {
		all = append(all, r.String())
	}
	slices.Sort(all)
	return all
}

// checkReviews: a mail that is not worth the trouble is dropped, and said to be.
func (s *shopping) checkReviews() {
	s.t.Helper()
	dropped := s.find(func(r record) bool { return r.text("event") == "task.dropped" })
	for _, r := range dropped {
		if r.text("task.name") != "ask_review" || r.text("task.verdict.handler") != "never_mind" {
			s.t.Errorf("dropped: %v", r)
		}
	}
	if len(dropped) != 3 { // of the three orders with a bad mail server
		s.t.Errorf("%d reviews were dropped", len(dropped))
	}
	if c := s.rt.Snapshot().Counts; c.Failed != 4 || c.Dropped != 3 || c.Running+c.Pending+c.Retrying != 0 {
		s.t.Errorf("counts: %+v", c)
	}
}

// checkChat: people were told of what nobody handled, and can find it.
func (s *shopping) checkChat() {
	s.t.Helper()
	_, front := s.do("GET", "/", nil)
	for _, task := range []string{"charge", "send_receipt", "reserve_stock", "write_invoice"} {
		if n := strings.Count(front, "*Task failed:* `"+task+"`"); n != 1 {
			s.t.Errorf("the chat has %d messages about %s", n, task)
		}
	}
	if n := strings.Count(front, "http://jaeger/trace/"); n != 4 {
		s.t.Errorf("the chat has %d links to traces:\n%s", n, front)
	}
}
