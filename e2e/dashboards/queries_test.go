package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// promQL is a query, and where it is from.
type promQL struct {
	where  string
	expr   string
	legend string
}

// ruleFile is what the tests look at in rules.yml and alerts.yml.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func prometheusFile(name string) string { return filepath.Join(root, "dashboards", "prometheus", name) }

// rules reads those of the named file.
func rules(t *testing.T, name string) (all []rule) {
	t.Helper()
	var f ruleFile
	readYAML(t, prometheusFile(name), &f)
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no rules", name)
	}
	return all
}

func readYAML(t *testing.T, file string, to any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(data, to)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// ruleQueries are those of all rules.
func ruleQueries(t *testing.T) (all []promQL) {
	t.Helper()
	for _, file := range []string{"rules.yml", "alerts.yml"} {
		for _, r := range rules(t, file) {
			all = append(all, promQL{where: file + ": " + r.Record + r.Alert, expr: r.Expr})
		}
	}
	return all
}

// panelQueries are those of all panels and variables that ask Prometheus, as they are written.
func panelQueries(t *testing.T) (all []promQL) {
	t.Helper()
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Datasource.Type == "prometheus" {
					where := fmt.Sprintf("%s: %s, %s", d.file, p.Title, q.RefID)
					all = append(all, promQL{where: where, expr: q.Expr, legend: q.LegendFormat})
				}
			}
		}
		for _, v := range d.Templating.List {
			if q, ok := variableQuery(v); ok {
				all = append(all, promQL{where: d.file + ": the variable " + v.Name, expr: q})
			}
		}
	}
	return all
}

var labelValues = regexp.MustCompile(`^label_values\((.*), *(\w+)\)$`)

// variableQuery is the PromQL of a variable: label_values is Grafana's, and its answer is
// that of a count.
func variableQuery(v variable) (string, bool) {
	var q struct{ Query string }
	if v.Type != "query" || json.Unmarshal(v.Query, &q) != nil {
		return "", false
	}
	m := labelValues.FindStringSubmatch(q.Query)
	if m == nil {
		return q.Query, true // which no parser will take
	}
	return "count by (" + m[2] + ") (" + m[1] + ")", true
}

// filled is the expression with Grafana's variables filled in. A window of a few seconds
// is enough for a Prometheus that scrapes several times a second.
func (q promQL) filled(task string) string {
	return strings.NewReplacer(
		"$__rate_interval", "3s", "$__range", "1m",
		"$job", ".*", "$instance", ".*", "$task", task,
	).Replace(q.expr)
}

// varies tells whether the query depends on which task was chosen.
func (q promQL) varies() bool { return strings.Contains(q.expr, "$task") }
