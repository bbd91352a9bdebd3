package compose

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

func readYAML(t *testing.T, file string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, file))
	if err == nil {
		err = yaml.Unmarshal(data, to)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// service returns one that has to be there.
func service(t *testing.T, name string) types.ServiceConfig {
	t.Helper()
	s, err := load(t).GetService(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mounted is where in the repository a path inside a container comes from; "" if it is
// not from there.
func mounted(s types.ServiceConfig, inside string) string {
	for _, v := range s.Volumes {
		if rest, ok := strings.CutPrefix(inside, v.Target); ok && v.Type == types.VolumeTypeBind {
			return filepath.Join(v.Source, rest)
		}
	}
	return ""
}

// exists fails the test if a path inside a container is no file of the repository.
func exists(t *testing.T, s types.ServiceConfig, inside string) {
	t.Helper()
	if _, err := os.Stat(mounted(s, inside)); err != nil {
		t.Errorf("%s has no %s: %v", s.Name, inside, err)
	}
}

// reaches fails the test if an address names no service of the stack.
func reaches(t *testing.T, address string) {
	t.Helper()
	host, _, _ := strings.Cut(address, ":")
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		host = u.Hostname()
	}
	if _, err := load(t).GetService(host); err != nil {
		t.Errorf("%s leads nowhere: %v", address, err)
	}
}

// TestPrometheus: its configuration and the rules are where it looks, and what it scrapes is there.
func TestPrometheus(t *testing.T) {
	s := service(t, "prometheus")
	for _, arg := range s.Command {
		if file, ok := strings.CutPrefix(arg, "--config.file="); ok {
			exists(t, s, file)
		}
	}
	if !slices.Contains(s.Command, "--enable-feature=exemplar-storage") {
		t.Error("it stores no exemplars")
	}
	var config struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "deploy/prometheus/prometheus.yml", &config)
	if len(config.RuleFiles) != 2 || len(config.ScrapeConfigs) == 0 {
		t.Fatalf("it has these rules and targets: %+v", config)
	}
	for _, file := range config.RuleFiles {
		exists(t, s, file)
	}
	for _, scrape := range config.ScrapeConfigs {
		for _, target := range scrape.StaticConfigs[0].Targets {
			reaches(t, target)
		}
	}
}

// TestCheckout: it sends its spans to the Collector, and writes where that reads.
func TestCheckout(t *testing.T) {
	s := service(t, "checkout")
	endpoint := s.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
	if endpoint == nil {
		t.Fatal("it exports no spans")
	}
	reaches(t, *endpoint)
	flag := func(name string) string {
		for _, arg := range s.Command {
			if value, ok := strings.CutPrefix(arg, "-"+name+"="); ok {
				return value
			}
		}
		t.Errorf("it is not told its -%s", name)
		return ""
	}
	postgres, err := url.Parse(flag("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	reaches(t, postgres.String())
	db := service(t, "postgres")
	password, _ := postgres.User.Password()
	for key, want := range map[string]string{
		"POSTGRES_USER": postgres.User.Username(), "POSTGRES_PASSWORD": password, "POSTGRES_DB": strings.TrimPrefix(postgres.Path, "/"),
	} {
		if got := db.Environment[key]; got == nil || *got != want {
			t.Errorf("the database has another %s than %q", key, want)
		}
	}
	checkRecords(t, s, flag("log-file"))
}
