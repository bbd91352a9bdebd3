package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestStories(t *testing.T) {
	for _, story := range slices.Concat(patterns, routes) {
		t.Run(story.path[1:], func(t *testing.T) {
			p := start(t, config{})
			status := "ok"
			if strings.HasPrefix(story.path, "/critical") {
				status = "processing"
			}
			if code, reply := p.post(story.path); code != http.StatusOK || reply != fmt.Sprintf(`{"status":%q}`, status) {
				t.Errorf("the answer is %d %s", code, reply)
			}
			var got []string
			for _, r := range p.records() {
				got = append(got, gistOf(r))
			}
			want := slices.Clone(story.records)
			if story.crowd {
				slices.Sort(got)
				slices.Sort(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("records:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			route, _, _ := strings.Cut(story.path, "?")
			if got, want := p.tree(), "POST "+route+"\n"+indent(story.spans); got != want {
				t.Errorf("spans:\n%swant:\n%s", got, want)
			}
			p.checkTelemetry()
		})
	}
}

// gistOf makes an order's id, which is random, the same in all runs.
func gistOf(r record) string {
	s := r.String()
	if head, _, ok := strings.Cut(s, " o-"); ok && r.text("service") == "warehouse" {
		return head + " o-ID"
	}
	return s
}

func indent(tree string) string {
	var b strings.Builder
	for line := range strings.Lines(tree) {
		b.WriteString("  " + line)
	}
	return b.String()
}
