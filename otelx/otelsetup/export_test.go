package otelsetup_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/postlude/postlude/otelx/otelsetup"
)

// attributes of the resource that the spans were sent with.
func (r *receiver) attributes(t *testing.T) map[string]string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.traces) != 1 {
		t.Fatalf("%d requests", len(r.traces))
	}
	got := map[string]string{}
	for _, kv := range r.traces[0].ResourceSpans[0].Resource.Attributes {
		got[kv.Key] = kv.Value.GetStringValue()
	}
	return got
}

func TestResourceOnTheWire(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	for _, tc := range []struct {
		name, envService, envAttrs string
		want                       map[string]string
	}{
		{
			name: "from the program",
			want: map[string]string{"service.name": "shop", "service.version": "1.2", "team": "till", "host.name": host},
		},
		{
			name:       "the environment wins",
			envService: "shop-eu", envAttrs: "team=web,service.version=9",
			want: map[string]string{"service.name": "shop-eu", "service.version": "9", "team": "web"},
		},
		{
			name:     "also by attributes alone",
			envAttrs: "service.name=shop-us",
			want:     map[string]string{"service.name": "shop-us", "team": "till"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cleanEnv(t)
			rec := newReceiver(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", rec.URL)
			t.Setenv("OTEL_SERVICE_NAME", tc.envService)
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", tc.envAttrs)
			sdk := start(t, otelsetup.Config{
				ServiceName: "shop", ServiceVersion: "1.2",
				Attributes: []attribute.KeyValue{attribute.String("team", "till")},
			})
			emit(t, "run send_receipt")
			if err := sdk.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := rec.attributes(t)
			for k, want := range tc.want {
				if got[k] != want {
					t.Errorf("%s = %q, want %q", k, got[k], want)
				}
			}
			if _, ok := got["process.command_args"]; ok {
				t.Error("the command line, where secrets may be, was sent")
			}
			if name := rec.traces[0].ResourceSpans[0].ScopeSpans[0].Spans[0].Name; name != "run send_receipt" {
				t.Errorf("span %q", name)
			}
		})
	}
}

// A resource that is not complete is used and reported.
func TestPartialResource(t *testing.T) {
	cleanEnv(t)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "novalue,team=web")
	var out syncBuffer
	sdk := start(t, otelsetup.Config{Logger: jsonLogger(&out)})
	if v, ok := sdk.Resource.Set().Value("team"); !ok || v.AsString() != "web" {
		t.Errorf("resource = %v", sdk.Resource)
	}
	if !strings.Contains(out.String(), "novalue") {
		t.Errorf("log = %q", out.String())
	}
}

// The default console is standard error, and nothing goes to standard output.
func TestConsoleKeepsStdoutClean(t *testing.T) {
	for name, given := range map[string]bool{"given writer": true, "default": false} {
		t.Run(name, func(t *testing.T) {
			cleanEnv(t)
			for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
				t.Setenv("OTEL_"+signal+"_EXPORTER", "console")
			}
			stdout, stderr := redirect(t, &os.Stdout), redirect(t, &os.Stderr)
			var console syncBuffer
			cfg := otelsetup.Config{}
			if given {
				cfg.Console = &console
			}
			sdk, err := otelsetup.Start(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			emit(t, "visit")
			got := console.String()
			if !given {
				got = stderr()
			}
			// The span is there before any flush.
			if !strings.Contains(got, `"Name":"visit"`) {
				t.Errorf("console = %q", got)
			}
			if err := sdk.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if got = console.String(); !given {
				got = stderr()
			}
			checkLines(t, got)
			if got := stdout(); got != "" {
				t.Errorf("stdout = %q", got)
			}
		})
	}
}

// checkLines wants one JSON object for each of span, record and metric.
func checkLines(t *testing.T, console string) {
	t.Helper()
	found := map[string]bool{}
	sc := bufio.NewScanner(strings.NewReader(console))
	for sc.Scan() {
		var line map[string]any
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			t.Fatalf("%v: %s", err, sc.Text())
		}
		for _, key := range []string{"SpanContext", "ScopeMetrics", "Body"} {
			if _, ok := line[key]; ok {
				found[key] = true
			}
		}
	}
	if len(found) != 3 {
		t.Errorf("found only %v in %s", found, console)
	}
}

// redirect points one of os's files to a temporary one, and returns how to read it.
func redirect(t *testing.T, file **os.File) func() string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	old := *file
	*file = f
	t.Cleanup(func() {
		*file = old
		f.Close()
	})
	return func() string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}
