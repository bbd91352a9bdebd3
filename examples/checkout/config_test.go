package main

import (
	"io"
	"maps"
	"net"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
)

func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                             "",
		"-load 5 -fail 0.1":            "",
		"-actions ada:s3cret":          "",
		"-sqlite a.db -postgres pg://": "choose one",
		"-load -1":                     "-load",
		"-load NaN":                    "-load",
		"-fail 1.5":                    "-fail",
		"-slow -1s":                    "-slow",
		"-grace 1m":                    "-grace",
		"-actions ada":                 "user:password",
		"-actions :s3cret":             "user:password",
		"now":                          `"now"`,
		"-log loud":                    "loud",
	} {
		_, err := parse(strings.Fields(args), io.Discard)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestStartFails: a port that is taken is an error at once, and nothing is left running;
// goleak sees to that.
func TestStartFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, args := range [][]string{
		{"-addr", l.Addr().String(), "-payment-addr", "127.0.0.1:0"},
		{"-addr", "127.0.0.1:0", "-payment-addr", l.Addr().String()},
		{"-sqlite", "/dev/null/shop.db"},
		{"-log-file", "/dev/null/shop.jsonl"},
		{"-postgres", "no URL"},
	} {
		cfg, err := parse(args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		cfg.out = io.Discard
		if _, err := start(t.Context(), cfg); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// draw returns the faults of the first n orders.
func draw(t *testing.T, f *faults, n int, asked url.Values) (drawn []map[string]string) {
	t.Helper()
	for range n {
		ctx, err := f.choose(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]string{}
		for _, m := range baggage.FromContext(ctx).Members() {
			kinds[m.Key()] = m.Value()
		}
		drawn = append(drawn, kinds)
	}
	return drawn
}

// TestFaults: a seed draws the same faults again, about as many as asked for.
func TestFaults(t *testing.T) {
	const n = 10_000
	first, again := draw(t, newFaults(0.1, 7), n, nil), draw(t, newFaults(0.1, 7), n, nil)
	payments, mails := 0, 0
	for i, kinds := range first {
		if !maps.Equal(kinds, again[i]) {
			t.Fatalf("the order %d: %v, and then %v", i, kinds, again[i])
		}
		if kinds["fault.payment"] != "" {
			payments++
		}
		if kinds["fault.mail"] != "" {
			mails++
		}
	}
	for _, count := range []int{payments, mails} {
		if count < n/20 || count > n/5 {
			t.Errorf("%d of %d have a fault", count, n)
		}
	}
	if kinds := draw(t, newFaults(1, 7), 1, url.Values{"payment": {down}})[0]; kinds["fault.payment"] != down || kinds["fault.mail"] == "" {
		t.Errorf("asked for a payment that is down: %v", kinds)
	}
	if kinds := draw(t, newFaults(0, 7), 1, url.Values{"invoice": {"fail"}})[0]; len(kinds) != 1 || kinds["fault.invoice"] != "fail" {
		t.Errorf("asked for an invoice that fails: %v", kinds)
	}
}
