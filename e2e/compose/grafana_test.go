package compose

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestGrafana: data sources and dashboards are provisioned, lead to services of the
// stack, and name each other rightly.
func TestGrafana(t *testing.T) {
	s := service(t, "grafana")
	for _, kind := range []string{"datasources/datasources.yaml", "dashboards/dashboards.yaml"} {
		exists(t, s, "/etc/grafana/provisioning/"+kind)
	}
	exists(t, s, *s.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
	var dashboards struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	readYAML(t, "deploy/grafana/provisioning/dashboards/dashboards.yaml", &dashboards)
	if len(dashboards.Providers) != 1 {
		t.Fatalf("there are these providers of dashboards: %+v", dashboards)
	}
	exists(t, s, dashboards.Providers[0].Options.Path+"/overview.json")
	exists(t, s, dashboards.Providers[0].Options.Path+"/task.json")
}

func TestDataSources(t *testing.T) {
	var config struct {
		Datasources []struct {
			Name, UID, Type, URL string
			JSONData             map[string]any `yaml:"jsonData"`
		}
	}
	readYAML(t, "deploy/grafana/provisioning/datasources/datasources.yaml", &config)
	uids, kinds := map[string]bool{}, map[string]bool{}
	for _, d := range config.Datasources {
		uids[d.UID], kinds[d.Type] = true, true
		reaches(t, d.URL)
	}
	named := 0
	for _, d := range config.Datasources {
		for _, uid := range find(d.JSONData, "datasourceUid") {
			named++
			if !uids[uid] {
				t.Errorf("%s names the data source %q, which does not exist", d.Name, uid)
			}
		}
	}
	if named < 4 { // exemplars, records of a span, metrics of a span, traces of a record
		t.Errorf("the data sources name each other %d times", named)
	}
	for _, kind := range dashboardSources(t) {
		if !kinds[kind] {
			t.Errorf("the dashboards want a data source of type %q", kind)
		}
	}
}

// find returns the values of a key, at any depth.
func find(in any, key string) (values []string) {
	switch v := in.(type) {
	case map[string]any:
		for k, inner := range v {
			if text, ok := inner.(string); ok && k == key {
				values = append(values, text)
			}
			values = append(values, find(inner, key)...)
		}
	case []any:
		for _, inner := range v {
			values = append(values, find(inner, key)...)
		}
	}
	return values
}

// dashboardSources are the types that the dashboards' variables for data sources offer.
func dashboardSources(t *testing.T) (kinds []string) {
	t.Helper()
	for _, name := range []string{"overview.json", "task.json"} {
		data, err := os.ReadFile(filepath.Join(root, "dashboards", "grafana", name))
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Templating struct {
				List []struct {
					Type  string
					Query any
				}
			}
		}
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		for _, v := range d.Templating.List {
			if v.Type == "datasource" {
				kinds = append(kinds, fmt.Sprint(v.Query))
			}
		}
	}
	if len(kinds) != 6 {
		t.Errorf("the dashboards have the data sources %q", kinds)
	}
	return kinds
}
