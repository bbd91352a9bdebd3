package dashboards

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/postlude/postlude/e2e/internal/need"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), need.Program(t, "prometheus", "promtool"), args...)
	cmd.Dir = filepath.Join(root, "dashboards", "prometheus")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", cmd.Args, err, out)
	}
}

func TestPromtoolChecksRules(t *testing.T) { promtool(t, "check", "rules", "rules.yml", "alerts.yml") }

func TestPromtoolTestsRules(t *testing.T) { promtool(t, "test", "rules", "tests.yml") }

// TestEveryAlertIsTested: tests.yml has each fire, and has each not fire.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []yaml.Node `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, prometheusFile("tests.yml"), &file)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.AlertRuleTest {
			fires[a.Alertname] = fires[a.Alertname] || len(a.ExpAlerts) > 0
			quiet[a.Alertname] = quiet[a.Alertname] || len(a.ExpAlerts) == 0
		}
	}
	for _, r := range rules(t, "alerts.yml") {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: fires in a test: %v, does not in another: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
}

// TestEveryAlertHasARunbook: a severity, a summary, a description, and a heading in the
// runbook with text below it, where runbook_url leads.
func TestEveryAlertHasARunbook(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "dashboards", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := rules(t, "alerts.yml")
	for _, r := range alerts {
		want := "https://github.com/postlude/postlude/blob/main/dashboards/README.md#" + strings.ToLower(r.Alert)
		if got := r.Annotations["runbook_url"]; got != want {
			t.Errorf("%s has the runbook_url %q, not %q", r.Alert, got, want)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s has no summary or description", r.Alert)
		}
		severity := r.Labels["severity"]
		if severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", r.Alert, severity)
		}
		_, below, ok := strings.Cut(string(readme), "\n### "+r.Alert+"\n")
		said := strings.ToUpper(severity[:1]) + severity[1:] + ". "
		if !ok || !strings.HasPrefix(strings.TrimSpace(below), said) {
			t.Errorf("the README has no heading %q with %q below it", r.Alert, said)
		}
	}
	if n := strings.Count(string(readme), "\n### "); n != len(alerts) {
		t.Errorf("the runbook has %d headings for %d alerts", n, len(alerts))
	}
}

// TestPromtoolChecksTheStack: the configuration of docker-compose.yml, with the rules where they are.
func TestPromtoolChecksTheStack(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	here := filepath.Dir(absolute(t, "rules.yml"))
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	text := strings.ReplaceAll(string(config), "/etc/prometheus/postlude", here)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "config", file)
}
