package dashboards

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

func parse(expr string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(expr)
}

// check finds what an expression names that does not exist.
func (c *catalogue) check(expr string) error {
	tree, err := parse(expr)
	if err != nil {
		return err
	}
	var faults []error
	named := func(names ...string) {
		for _, name := range names {
			if _, ok := c.labels[name]; !ok {
				faults = append(faults, fmt.Errorf("there is no label %q", name))
			}
		}
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			faults = append(faults, c.checkSelector(n)...)
		case *parser.AggregateExpr:
			named(n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				named(n.VectorMatching.MatchingLabels...)
				named(n.VectorMatching.Include...)
			}
		}
		return nil
	})
	return errors.Join(faults...)
}

func (c *catalogue) checkSelector(s *parser.VectorSelector) (faults []error) {
	if !c.metrics[s.Name] && !c.records[s.Name] {
		faults = append(faults, fmt.Errorf("there is no metric %q", s.Name))
	}
	for _, m := range s.LabelMatchers {
		if m.Name == model.MetricNameLabel {
			continue
		}
		values, ok := c.labels[m.Name]
		if !ok {
			faults = append(faults, fmt.Errorf("%s: there is no label %q", s.Name, m.Name))
		}
		for _, value := range matched(m) {
			if values != nil && !slices.Contains(values, value) {
				faults = append(faults, fmt.Errorf("%s: %s is never %q", s.Name, m.Name, value))
			}
		}
	}
	return faults
}

// matched are the values that a matcher names. A regular expression may be a list of
// values, or one that matches anything, which a variable stands for.
func matched(m *labels.Matcher) []string {
	if m.Type == labels.MatchEqual || m.Type == labels.MatchNotEqual {
		return []string{m.Value}
	}
	if re, err := syntax.Parse(m.Value, syntax.Perl); err == nil && re.Op == syntax.OpStar {
		return nil
	}
	return strings.Split(m.Value, "|")
}

// fullCatalogue has the recording rules' names, too.
func fullCatalogue(t *testing.T) *catalogue {
	t.Helper()
	c := newCatalogue(t)
	for _, r := range rules(t, "rules.yml") {
		c.records[r.Record] = true
	}
	return c
}

func TestQueriesNameWhatExists(t *testing.T) {
	c := fullCatalogue(t)
	for _, q := range append(panelQueries(t), ruleQueries(t)...) {
		if err := c.check(q.filled(".*")); err != nil {
			t.Errorf("%s: %v\n%s", q.where, err, q.expr)
		}
	}
}

// TestDashboardsNeedNoRules: they are of use to who loads no recording rules.
func TestDashboardsNeedNoRules(t *testing.T) {
	c := newCatalogue(t)
	for _, q := range panelQueries(t) {
		if err := c.check(q.filled(".*")); err != nil {
			t.Errorf("%s: %v", q.where, err)
		}
	}
}

// TestEveryMetricIsLookedAt: the overview shows, or an alert watches, all there is.
func TestEveryMetricIsLookedAt(t *testing.T) {
	var text strings.Builder
	for _, q := range append(panelQueries(t), ruleQueries(t)...) {
		text.WriteString(q.expr + "\n")
	}
	for name := range newCatalogue(t).metrics {
		if !strings.HasSuffix(name, "_sum") && !strings.Contains(text.String(), strings.TrimSuffix(name, "_count")) {
			t.Errorf("no query asks for %s", name)
		}
	}
}

// TestCheckFindsMistakes: the checker itself.
func TestCheckFindsMistakes(t *testing.T) {
	c := fullCatalogue(t)
	for _, tc := range []struct{ expr, want string }{
		{`sum(rate(task_attempts_total[5m]))`, ""},
		{`job_task:task_failed:ratio_rate1h > 14.4 * scalar(postlude:failure_budget:ratio)`, ""},
		{`sum(rate(task_atempts_total[5m]))`, `no metric "task_atempts_total"`},
		{`sum(rate(task_attempts[5m]))`, `no metric "task_attempts"`},
		{`task_slots / task_slot_max`, `no metric "task_slot_max"`},
		{`job_task:task_failed:ratio_rate2h`, `no metric "job_task:task_failed:ratio_rate2h"`},
		{`sum by (taskname) (task_active)`, `no label "taskname"`},
		{`task_active{otel_scope_name="x"}`, `no label "otel_scope_name"`},
		{`task_slots / on (host) task_slots_max`, `no label "host"`},
		{`task_attempts_total{task_outcome="failed"}`, `task_outcome is never "failed"`},
		{`task_verdicts_total{task_verdict=~"pass|escalated"}`, `task_verdict is never "escalated"`},
		{`task_queue_jobs{state!="deadd"}`, `state is never "deadd"`},
		{`sum(task_active`, "parse error"},
	} {
		switch err := c.check(tc.expr); {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.expr, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %q", tc.expr, err, tc.want)
		}
	}
}
