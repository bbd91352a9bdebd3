package dashboards

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.uber.org/goleak"

	"github.com/postlude/postlude/runtime/taskconv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provoked is the job of the process to which everything happens.
const provoked = "provoked"

// TestQueriesReturnSeries runs every query of panels, variables and rules on a Prometheus
// that scrapes real processes.
func TestQueriesReturnSeries(t *testing.T) {
	targets := map[string]string{provoked: provoke(t)}
	addCheckout(t, targets)
	s := serve(t, targets)
	for job := range targets {
		queries := append(panelQueries(t), ruleQueries(t)...)
		if job != provoked {
			queries = slices.DeleteFunc(queries, promQL.needsMishap)
		}
		for q, part := range s.await(t, queries, job) {
			t.Errorf("job %s, %s: no series for %s\nof %s", job, q.where, part, q.expr)
		}
	}
	checkExemplars(t, s)
}

// await waits until all queries have an answer about the job, but not for ever. It returns
// those that have none, with the part of each that lacks it.
func (s *server) await(t *testing.T, queries []promQL, job string) map[promQL]string {
	t.Helper()
	deadline, tick := time.After(25*time.Second), time.NewTicker(300*time.Millisecond)
	defer tick.Stop()
	for {
		left := s.unanswered(t, queries, job)
		queries = slices.Collect(maps.Keys(left))
		if len(left) == 0 {
			return nil
		}
		select {
		case <-deadline:
			return left
		case <-tick.C:
		}
	}
}

// unanswered are the queries that still return nothing about the job, and which part of each.
func (s *server) unanswered(t *testing.T, queries []promQL, job string) map[promQL]string {
	t.Helper()
	left := map[promQL]string{}
	tasks := []string{".*"}
	for _, q := range queries {
		if q.varies() && strings.Contains(q.expr, `="$task"`) && len(tasks) == 1 {
			tasks = s.tasks(t, job)
		}
		part := ""
		for _, task := range tasks { // not every task has suffered everything
			if part = s.firstEmpty(t, q, task, job); part == "" {
				break
			}
		}
		if part != "" {
			left[q] = part
		}
	}
	return left
}

// tasks are the names of those that have run.
func (s *server) tasks(t *testing.T, job string) (names []string) {
	t.Helper()
	for _, found := range s.ask(t, fmt.Sprintf(`count by (task_name) (task_queue_duration_seconds_count{job=%q})`, job)) {
		names = append(names, found.Metric[label(taskconv.TaskName)])
	}
	return append(names, "none yet")
}

var legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)

// firstEmpty is the first part of a query without an answer; "" if there is none. The
// query itself has to have one, too, with the labels that its legend shows.
func (s *server) firstEmpty(t *testing.T, q promQL, task, job string) string {
	t.Helper()
	tree, err := parse(q.filled(task))
	if err != nil {
		t.Fatalf("%s: %v", q.where, err)
	}
	for _, part := range parts(tree, job) {
		if !s.answered[part] && !hasNumber(s.ask(t, part)) {
			return part
		}
		s.answered[part] = true
	}
	if q.legend == "" {
		return ""
	}
	for _, found := range s.ask(t, tree.String()) {
		for _, m := range legendLabel.FindAllStringSubmatch(q.legend, -1) {
			if _, ok := found.Metric[m[1]]; !ok && m[1] != label(taskconv.ErrorType) {
				return "the legend's " + m[1]
			}
		}
	}
	return ""
}

func hasNumber(all []series) bool {
	for _, s := range all {
		if s.number() {
			return true
		}
	}
	return false
}

// needsMishap tells whether a query is about what does not happen to a process that is well.
func (q promQL) needsMishap() bool {
	for _, metric := range []string{"task_dropped", "task_rejected", "task_handler_errors", "otel_spans_dropped", `"canceled"`} {
		if strings.Contains(q.expr, metric) {
			return true
		}
	}
	return false
}

// parts are what each has to return series of the job: every selector by itself, since a
// sum or an "or" hides one that is empty, and what is compared or united, without the
// comparison, which an alert lives to see false. An offset is taken away: there is no past.
func parts(tree parser.Expr, job string) (all []string) {
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			s.OriginalOffset = 0
			if s.Name != "postlude:failure_budget:ratio" { // which is nobody's
				s.LabelMatchers = append(s.LabelMatchers, labels.MustNewMatcher(labels.MatchEqual, "job", job))
			}
			all = append(all, s.String())
		}
		return nil
	})
	return append(all, operands(tree)...)
}

// operands are the expressions below all that compares, unites or excludes.
func operands(e parser.Expr) []string {
	switch n := e.(type) {
	case *parser.ParenExpr:
		return operands(n.Expr)
	case *parser.BinaryExpr:
		if n.Op.IsComparisonOperator() || n.Op.IsSetOperator() {
			return append(operands(n.LHS), operands(n.RHS)...)
		}
	case *parser.AggregateExpr:
		if _, ok := n.Expr.(*parser.BinaryExpr); ok {
			return operands(n.Expr)
		}
	}
	if e.Type() != parser.ValueTypeVector {
		return nil
	}
	return []string{e.String()}
}

// checkExemplars: a panel with exemplars asks for the histograms', and they name traces.
func checkExemplars(t *testing.T, s *server) {
	t.Helper()
	for _, metric := range []string{"task_run_duration_seconds_bucket", "task_queue_duration_seconds_bucket"} {
		var answer struct {
			Data []struct {
				Exemplars []struct{ Labels map[string]string }
			}
		}
		now := time.Now()
		s.get(t, "/api/v1/query_exemplars", url.Values{
			"query": {metric}, "start": {now.Add(-time.Minute).Format(time.RFC3339)}, "end": {now.Add(time.Minute).Format(time.RFC3339)},
		}, &answer)
		if len(answer.Data) == 0 || len(answer.Data[0].Exemplars) == 0 || answer.Data[0].Exemplars[0].Labels[taskconv.LogTraceID] == "" {
			t.Errorf("%s has no exemplar with a trace: %+v", metric, answer.Data)
		}
	}
}

// TestPartsHideNothing: the test of queries itself. What is misspelled is a part of its own.
func TestPartsHideNothing(t *testing.T) {
	for expr, want := range map[string]string{
		`sum(task_active or task_activ)`:               `task_activ{job="j"}`,
		`task_activ > 3 or task_active`:                `task_activ{job="j"}`,
		`a unless a offset 10m`:                        `a{job="j"}`,
		`sum(rate(a_total[5m]) or -rate(b_total[5m]))`: `b_total{job="j"}`,
		`a > 14.4 * scalar(b)`:                         `b{job="j"}`,
		`clamp_min(sum(a), 0) / sum(b) > 1`:            `clamp_min(sum(a{job="j"}), 0) / sum(b{job="j"})`,
	} {
		tree, err := parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		got := parts(tree, "j")
		if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+want+"\n") {
			t.Errorf("the parts of %s are %q, without %s", expr, got, want)
		}
	}
}

// TestMisspelledReturnsNothing: a real Prometheus answers a wrong name with success, and
// the test notices.
func TestMisspelledReturnsNothing(t *testing.T) {
	s := serve(t, map[string]string{provoked: provoke(t)})
	right, wrong := promQL{expr: `sum(rate(task_attempts_total{task_name=~"$task"}[5m]))`}, promQL{expr: `sum(rate(task_attempt_total[5m])) or vector(0)`}
	eventually(t, 15*time.Second, "the right name has series", func() bool { return s.firstEmpty(t, right, ".*", provoked) == "" })
	if part := s.firstEmpty(t, wrong, ".*", provoked); part != `task_attempt_total{job="provoked"}` {
		t.Errorf("what is missing of %s is %q", wrong.expr, part)
	}
	slots := promQL{expr: `task_slots`, legend: "{{host}}"}
	if part := s.firstEmpty(t, slots, ".*", provoked); part != "the legend's host" {
		t.Errorf("what is missing of a legend with an unknown label is %q", part)
	}
}
