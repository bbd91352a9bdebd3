package compose

import (
	"fmt"
	"path"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

type collectorConfig struct {
	Receivers, Processors, Exporters, Extensions map[string]map[string]any
	Service                                      struct {
		Extensions []string
		Pipelines  map[string]struct{ Receivers, Processors, Exporters []string }
	}
}

func collector(t *testing.T) (c collectorConfig) {
	t.Helper()
	readYAML(t, "deploy/collector/config.yaml", &c)
	return c
}

// TestCollector: its pipelines are made of what it defines, and lead to services of the stack.
func TestCollector(t *testing.T) {
	c := collector(t)
	known := func(where string, defined map[string]map[string]any, names []string) {
		if len(names) == 0 {
			t.Errorf("%s: nothing", where)
		}
		for _, name := range names {
			if _, ok := defined[name]; !ok {
				t.Errorf("%s: %s is not defined", where, name)
			}
		}
	}
	for _, name := range []string{"traces", "logs"} {
		p := c.Service.Pipelines[name]
		known(name+": receivers", c.Receivers, p.Receivers)
		known(name+": processors", c.Processors, p.Processors)
		known(name+": exporters", c.Exporters, p.Exporters)
	}
	known("extensions", c.Extensions, c.Service.Extensions)
	for _, e := range c.Exporters {
		reaches(t, fmt.Sprint(e["endpoint"]))
	}
	s := service(t, "collector")
	exists(t, s, "/etc/otelcol/config.yaml")
}

// checkRecords: the shop's folder and the Collector's are one volume, and the Collector
// looks for such a file.
func checkRecords(t *testing.T, shop types.ServiceConfig, file string) {
	t.Helper()
	volume := func(s types.ServiceConfig) string {
		for _, v := range s.Volumes {
			if v.Target == path.Dir(file) && v.Type == types.VolumeTypeVolume {
				return v.Source
			}
		}
		return ""
	}
	if a, b := volume(shop), volume(service(t, "collector")); a == "" || a != b {
		t.Errorf("the records are written to the volume %q, and read from %q", a, b)
	}
	c := collector(t)
	include := c.Receivers["filelog"]["include"]
	if ok, err := path.Match(fmt.Sprint(include.([]any)[0]), file); !ok || err != nil {
		t.Errorf("the Collector reads %v, not %s", include, file)
	}
}
