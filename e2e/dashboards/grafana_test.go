package dashboards

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the repository.
const root = "../.."

// dashboard is what the tests look at in a dashboard's JSON.
type dashboard struct {
	file string

	UID           string
	Title         string
	Description   string
	Tags          []string
	SchemaVersion int
	Links         []struct{ Title, URL string }
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct {
	Name, Type string
	Query      json.RawMessage // a string, or what the data source makes of one
}

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ H, W, X, Y int }
	Datasource  source
	Targets     []query
	FieldConfig struct {
		Defaults struct {
			Unit  string
			Links []struct{ URL string }
		}
	}
}

type source struct{ Type, UID string }

type query struct {
	RefID        string
	Datasource   source
	Expr         string
	LegendFormat string
	Exemplar     bool
	Tags         string
	Service      string
}

// dashboards reads all of them.
func dashboards(t *testing.T) (all []dashboard) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "dashboards", "grafana", "*.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("found %q, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := dashboard{file: filepath.Base(file)}
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}

// TestDashboardsAreWhole: what a reader needs is there, and nothing is on top of anything else.
func TestDashboardsAreWhole(t *testing.T) {
	for _, d := range dashboards(t) {
		t.Run(d.file, func(t *testing.T) {
			if d.UID == "" || d.Title == "" || d.Description == "" || len(d.Links) == 0 || d.SchemaVersion != 42 {
				t.Errorf("no uid, title, description or links, or not of schema 42, Grafana 13's: %+v", d)
			}
			taken, ids := map[[2]int]string{}, map[int]bool{}
			for _, p := range d.Panels {
				if ids[p.ID] {
					t.Errorf("%q has the id %d of another", p.Title, p.ID)
				}
				ids[p.ID] = true
				place(t, taken, p)
				checkPanel(t, p)
			}
		})
	}
}

func place(t *testing.T, taken map[[2]int]string, p panel) {
	t.Helper()
	g := p.GridPos
	if g.W <= 0 || g.H <= 0 || g.X < 0 || g.X+g.W > 24 {
		t.Errorf("%q is outside of the grid: %+v", p.Title, g)
	}
	for x := g.X; x < g.X+g.W; x++ {
		for y := g.Y; y < g.Y+g.H; y++ {
			if other := taken[[2]int{x, y}]; other != "" {
				t.Fatalf("%q lies over %q", p.Title, other)
			}
			taken[[2]int{x, y}] = p.Title
		}
	}
}

func checkPanel(t *testing.T, p panel) {
	t.Helper()
	if p.Type == "row" {
		return
	}
	if p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
		t.Errorf("panel %d %q has no title, description or query", p.ID, p.Title)
	}
	if (p.Type == "timeseries" || p.Type == "stat") && p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("%q has no unit", p.Title)
	}
	for _, q := range p.Targets {
		if !strings.HasPrefix(q.Datasource.UID, "${") {
			t.Errorf("%q asks %q: a data source has to be a variable", p.Title, q.Datasource.UID)
		}
	}
}

// TestVariablesExist: a variable that a query, title or link names is one of the dashboard's.
func TestVariablesExist(t *testing.T) {
	named := regexp.MustCompile(`\$\{?([A-Za-z_]+)`)
	for _, d := range dashboards(t) {
		known := map[string]bool{}
		for _, v := range d.Templating.List {
			known[v.Name] = true
		}
		data, err := os.ReadFile(filepath.Join(root, "dashboards", "grafana", d.file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(data), -1) {
			if !known[m[1]] && !strings.HasPrefix(m[1], "__") {
				t.Errorf("%s: there is no variable %q", d.file, m[1])
			}
		}
	}
}

// TestLinksLead: the dashboards lead to each other, to the traces, and from a task's series to the task.
func TestLinksLead(t *testing.T) {
	all := dashboards(t)
	uids := map[string]bool{}
	for _, d := range all {
		uids[d.UID] = true
	}
	target := regexp.MustCompile(`^/d/([^/?]+)`)
	for _, d := range all {
		explore, drill := false, 0
		check := func(url string) {
			if m := target.FindStringSubmatch(url); m != nil && !uids[m[1]] {
				t.Errorf("%s links to %q, which does not exist", d.file, m[1])
			}
			explore = explore || strings.HasPrefix(url, "/explore?") && strings.Contains(url, "${traces}")
		}
		for _, l := range d.Links {
			check(l.URL)
		}
		for _, p := range d.Panels {
			for _, l := range p.FieldConfig.Defaults.Links {
				check(l.URL)
				drill++
			}
		}
		if !explore {
			t.Errorf("%s has no link to the traces", d.file)
		}
		if d.file == "overview.json" && drill < 5 {
			t.Errorf("%d panels of the overview lead to a task", drill)
		}
	}
}
