package taskz

import (
	"slices"
	"testing"
)

func TestNegotiate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		accept []string
		want   string // of HTML, then JSON; "": none
	}{
		{"none", nil, typeHTML},
		{"empty", []string{""}, typeHTML},
		{"anything", []string{"*/*"}, typeHTML},
		{"JSON", []string{"application/json"}, typeJSON},
		{"any case", []string{"Application/JSON"}, typeJSON},
		{"a browser", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}, typeHTML},
		{"by quality", []string{"text/html;q=0.5, application/json;q=0.6"}, typeJSON},
		{"of equals the first", []string{"application/json, text/html"}, typeHTML},
		{"the specific range counts", []string{"application/*;q=0.9, application/json;q=0.1, text/html;q=0.2"}, typeHTML},
		{"refused", []string{"application/json;q=0, text/html;q=0.0"}, ""},
		{"all but", []string{"*/*, text/html;q=0"}, typeJSON},
		{"a kind", []string{"application/*"}, typeJSON},
		{"another type", []string{"image/png"}, ""},
		{"lines", []string{"image/png", "application/json"}, typeJSON},
		{"a charset", []string{"application/json; charset=utf-8"}, typeJSON},
		{"a version that we don't have", []string{"application/json;version=2, text/html;q=0.1"}, typeHTML},
		{"a comma in quotes", []string{`text/html;x="a,application/json;q=1", application/json;q=0.5`}, typeJSON},
		{"unreadable", []string{";;;,,"}, typeHTML},
		{"half readable", []string{"///, application/json"}, typeJSON},
		{"no quality", []string{"text/html;q=2, text/html;q=x, application/json;q=0.1"}, typeJSON},
		{"not a number", []string{"text/html;q=NaN, application/json;q=0.1"}, typeJSON},
	} {
		got, ok := negotiate(tc.accept, typeHTML, typeJSON)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, ok, tc.want)
		}
	}
}

// FuzzNegotiate: whatever is asked for, the answer is an offer, and one that is not refused.
func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"*/*", "text/html;q=0.1,application/json", `a/b;c="\",";q=1`, "application/json;q=0", ",;=\"", "*/json"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		offers := []string{typeHTML, typeJSON}
		got, ok := negotiate([]string{accept}, offers...)
		if ok != slices.Contains(offers, got) {
			t.Fatalf("%q: %q, %v", accept, got, ok)
		}
		if again, _ := negotiate([]string{accept, accept}, offers...); again != got {
			t.Errorf("%q: %q, and said twice %q", accept, got, again)
		}
		if refused, ok := negotiate([]string{accept + ",*/*;q=0"}, "x-none/x-none"); ok && refused != "x-none/x-none" {
			t.Errorf("%q: %q", accept, refused)
		}
		if got, _ := negotiate([]string{"application/json;q=0.001," + accept}, typeHTML, typeJSON); got == "" {
			t.Errorf("%q: JSON was accepted, and is not the answer", accept)
		}
	})
}
