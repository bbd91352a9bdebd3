package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postlude/postlude/internal/pgtest"
)

// TestOrder: JSON and forms are orders, and other things are not.
func TestOrder(t *testing.T) {
	s := begin(t, nil)
	for _, c := range []struct {
		query, kind, body string
		code              int
	}{
		{"", "application/json", `{"item":"scarf","email":"eve@example.com","card":"4000"}`, http.StatusAccepted},
		{"", "application/x-www-form-urlencoded", "item=scarf&email=eve@example.com", http.StatusAccepted},
		{"", "application/json", `{"item":`, http.StatusBadRequest},
		{"", "application/json", `{"item":"` + strings.Repeat("a", maxBody) + `"}`, http.StatusBadRequest},
		{"", "application/x-www-form-urlencoded", "item=%zz", http.StatusBadRequest},
		{"payment=gold", "", "", http.StatusBadRequest},
	} {
		if code, body := s.do(http.MethodPost, "/orders?"+c.query, strings.NewReader(c.body), "Content-Type", c.kind); code != c.code {
			t.Errorf("?%s %.40s: %d %s", c.query, c.body, code, body)
		}
	}
	s.settle(2)
	to := s.find(func(r record) bool { return r.text("to") == "eve@example.com" })
	if len(to) != 4 { // a receipt and a review each
		t.Errorf("%d mails were sent", len(to))
	}
}

// TestInvoice: an order's invoice is written once, in either database.
func TestInvoice(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { visit(t, func(*config) {}) })
	t.Run("PostgreSQL", func(t *testing.T) {
		at := pgtest.Start(t).URL()
		visit(t, func(c *config) { c.postgres = at })
	})
}

func visit(t *testing.T, change func(*config)) {
	s := begin(t, change)
	id, _ := s.order("", nil)
	s.settle(1)
	if code, body := s.do(http.MethodGet, "/orders/"+id, nil); code != http.StatusOK || !strings.Contains(body, `"invoices":1`) {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := s.do(http.MethodGet, "/orders/o-none", nil); code != http.StatusNotFound {
		t.Errorf("an order that nobody made: %d", code)
	}
	s.refuse()
}

// refuse ends the tasks under the shop's feet: an order that can't be taken on in full
// leaves nothing, and load balancers are told to go elsewhere.
func (s *shopping) refuse() {
	s.t.Helper()
	if _, err := s.rt.Shutdown(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	if code, body := s.do(http.MethodPost, "/orders", nil); code != http.StatusServiceUnavailable {
		s.t.Errorf("%d %s", code, body)
	}
	refused := s.find(func(r record) bool { return r.text("msg") == "an order was refused" })
	if len(refused) != 1 {
		s.t.Fatalf("refused: %v", refused)
	}
	if code, body := s.do(http.MethodGet, "/orders/"+refused[0].text("order"), nil); code != http.StatusNotFound {
		s.t.Errorf("the refused order: %d %s", code, body)
	}
	if code, body := s.do(http.MethodGet, "/healthz", nil); code != http.StatusServiceUnavailable {
		s.t.Errorf("health: %d %s", code, body)
	}
}

// TestFront: the page is plain, strict, and shows what it is given as text.
func TestFront(t *testing.T) {
	s := begin(t, nil)
	const hostile = `<script>alert(1)</script>`
	_, body := s.do(http.MethodGet, "/?"+url.Values{"order": {hostile}, "trace": {`"><script>`}}.Encode(), nil)
	if strings.Contains(body, "<script") || !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Errorf("the page:\n%s", body)
	}
	for _, part := range []string{"http://", "https://", "style=", "onclick", "<script"} {
		if strings.Contains(body, part) {
			t.Errorf("the page has %s", part)
		}
	}
	resp, err := http.Get(s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	for part, kinds := range allowed { // each has its button
		for _, kind := range kinds {
			if !strings.Contains(body, fmt.Sprintf(`formaction="/orders?%s=%s"`, part, kind)) {
				t.Errorf("there is no button for %s=%s", part, kind)
			}
		}
	}
}

// TestBrowser: a browser is sent back to the form, and may not be sent by another site.
func TestBrowser(t *testing.T) {
	s := begin(t, nil)
	if code, body := s.do(http.MethodPost, "/orders", nil, "Accept", "text/html", "Sec-Fetch-Site", "same-origin"); code != http.StatusSeeOther {
		t.Errorf("%d %s", code, body)
	}
	if code, body := s.do(http.MethodPost, "/orders", nil, "Sec-Fetch-Site", "cross-site"); code != http.StatusForbidden {
		t.Errorf("from another site: %d %s", code, body)
	}
	s.settle(1)
}

// TestActions: with -actions, the live page is the operator's.
func TestActions(t *testing.T) {
	s := begin(t, func(c *config) { c.actions = "ada:s3cret" })
	for _, c := range []struct {
		user, password string
		code           int
	}{
		{"", "", http.StatusUnauthorized},
		{"ada", "guess", http.StatusUnauthorized},
		{"eve", "s3cret", http.StatusUnauthorized},
		{"ada", "s3cret", http.StatusOK},
	} {
		req, err := http.NewRequest(http.MethodGet, s.url+"/tasks/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.user != "" {
			req.SetBasicAuth(c.user, c.password)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.code {
			t.Errorf("%s:%s: %d", c.user, c.password, resp.StatusCode)
		}
	}
}
