package dashboards

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	lokiField  = regexp.MustCompile(`\{\{\.(\w+)\}\}|\| (\w+) *(?:=~|!~|!=|=)`)
	lokiEvents = regexp.MustCompile(`event(?:=~|!~)"([^"]*)"`)
)

// TestLogQueriesNameWhatExists: Loki has no answer but silence for a misspelled field. It
// spells the keys of a record with underscores, as Prometheus does.
func TestLogQueriesNameWhatExists(t *testing.T) {
	keys, events := map[string]bool{}, valuesOf(constants(t), "Event")
	for _, value := range constants(t) {
		keys[label(value)] = true
	}
	panels := 0
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Datasource.Type != "loki" {
					continue
				}
				panels++
				checkLogQuery(t, d.file+": "+p.Title, q.Expr, keys, events)
			}
		}
	}
	if panels < 2 {
		t.Errorf("%d panels show records", panels)
	}
}

func checkLogQuery(t *testing.T, where, expr string, keys map[string]bool, events []string) {
	t.Helper()
	fields := lokiField.FindAllStringSubmatch(expr, -1)
	if len(fields) < 3 || !strings.HasPrefix(expr, `{service_name="$service"}`) {
		t.Errorf("%s asks for no fields, or not for the service: %s", where, expr)
	}
	for _, f := range fields {
		if name := f[1] + f[2]; !keys[name] {
			t.Errorf("%s: no record has a %s", where, name)
		}
	}
	for _, m := range lokiEvents.FindAllStringSubmatch(expr, -1) {
		for event := range strings.SplitSeq(m[1], "|") {
			if !slices.Contains(events, event) {
				t.Errorf("%s: there is no event %q", where, event)
			}
		}
	}
}
