package importrules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestImportRules(t *testing.T) {
	g := list(t)
	for _, v := range check(g) {
		t.Error(v)
	}
	if _, ok := g[core]; !ok {
		t.Logf("%s is not there; its rules were skipped", core)
	}
}

// check returns every violation in g, one text each.
func check(g graph) []string {
	violations := checkCore(g)
	for _, n := range g.ours() {
		violations = append(violations, checkLayer(n)...)
		violations = append(violations, checkTestLibraries(n)...)
	}
	return violations
}

func checkLayer(n node) []string {
	from, _ := relative(n.ImportPath)
	rule, ok := layerOf(from)
	if !ok {
		return []string{fmt.Sprintf("%s has no rule: add a row to layers in rules_test.go", n.ImportPath)}
	}
	var out []string
	for _, imported := range n.Imports {
		to, ok := relative(imported)
		if !ok || matches(to, rule.may...) {
			continue
		}
		may := "nothing"
		if len(rule.may) > 0 {
			may = strings.Join(rule.may, ", ")
		}
		out = append(out, violation(from, to, fmt.Sprintf("of this repository, %s may import: %s", rule.pkgs, may), rule.why))
	}
	return out
}

func layerOf(pkg string) (layer, bool) {
	for _, l := range layers {
		if matches(pkg, l.pkgs) {
			return l, true
		}
	}
	return layer{}, false
}

func checkTestLibraries(n node) []string {
	from, _ := relative(n.ImportPath)
	if strings.HasSuffix(from, "test") || matches(from, "benchmarks/...", "e2e/...") {
		return nil
	}
	var out []string
	for _, to := range n.Imports {
		if matches(to, testLibraries...) {
			out = append(out, violation(from, to, "only packages whose name ends in test import test libraries", testLibrariesWhy))
		}
	}
	return out
}

// checkCore follows the imports to the end: what a dependency needs weighs as much.
func checkCore(g graph) []string {
	var out []string
	for to, chain := range g.chains(core) {
		// Report the import that leaves what is allowed, not all that follows from it.
		if g.light(to) || !g.light(chain[len(chain)-2]) {
			continue
		}
		out = append(out, violation(strings.Join(chain[:len(chain)-1], " -> "), to,
			"the core may need the standard library and "+strings.Join(coreMay, ", "), coreWhy))
	}
	slices.Sort(out) // maps have no order, messages should
	return out
}

// light tells whether the core may need path.
func (g graph) light(path string) bool {
	_, our := relative(path)
	return (our || g[path].Standard || matches(path, coreMay...)) && !matches(path, coreMayNot...)
}

// made builds a graph from lines such as "runtime: otelx, net/http". Paths without a
// dot in their first element are this repository's if they begin with one of its
// folders, and the standard library's otherwise.
func made(lines ...string) graph {
	g := graph{}
	full := func(path string) string {
		for _, folder := range []string{"runtime", "otelx", "logging", "internal", "dashboards", "examples", "attic"} {
			if matches(path, folder+"/...") {
				return module + "/" + path
			}
		}
		return path
	}
	for _, line := range lines {
		from, imports, _ := strings.Cut(line, ":")
		n := node{ImportPath: full(from)}
		for to := range strings.FieldsFuncSeq(imports, func(r rune) bool { return r == ',' || r == ' ' }) {
			to = full(to)
			n.Imports = append(n.Imports, to)
			if first, _, _ := strings.Cut(to, "/"); !strings.Contains(first, ".") {
				g[to] = node{ImportPath: to, Standard: true}
			}
		}
		g[n.ImportPath] = n
	}
	return g
}

// The rules can fail, and say what is wrong.
func TestRulesOnMadeUpGraphs(t *testing.T) {
	for _, tc := range []struct {
		name  string
		graph graph
		want  []string // parts of the violations, in no order; none: all is well
	}{
		{name: "nothing there", graph: made()},
		{name: "as designed", graph: made(
			"runtime/taskconv:",
			"internal/render: runtime/taskconv",
			"otelx: internal/render, go.opentelemetry.io/otel/sdk/trace",
			"runtime/durable: runtime/taskconv",
			"runtime: otelx, runtime/durable, runtime/taskconv, net/http, log/slog",
			"runtime/postludetest: runtime, testing",
			"dashboards/taskz: runtime",
			"logging: internal/render, github.com/lmittmann/tint",
			"otelx/otelsetup: runtime/taskconv, google.golang.org/grpc",
			"examples/quickstart: runtime, logging, otelx/otelsetup",
		)},
		{"names import", made("runtime/taskconv: internal/render"), []string{"may import: nothing"}},
		{"logging knows the runtime", made("logging: runtime"), []string{"logging imports runtime\n"}},
		{"otelx knows the runtime", made("otelx: runtime"), []string{"otelx imports runtime\n"}},
		{"otelx pulls in exporters", made("otelx: otelx/otelsetup"), []string{"otelx imports otelx/otelsetup"}},
		{"engine knows the runtime", made("runtime/durable/riverdurable: runtime"), []string{"riverdurable imports runtime"}},
		{"up from internal", made("internal/taskctx: runtime"), []string{"internal/taskctx imports runtime"}},
		{"core needs its kit", made("runtime: runtime/postludetest"), []string{"runtime imports runtime/postludetest"}},
		{"unknown folder", made("attic:"), []string{"attic has no rule"}},
		{"test library", made("logging: testing"), []string{"logging imports testing"}},
		{
			name: "heavy at a distance, reported once",
			graph: made(
				"runtime: otelx", "otelx: example.org/thing", "example.org/thing: google.golang.org/grpc",
			),
			want: []string{"runtime -> " + module + "/otelx imports example.org/thing"},
		},
		{
			name:  "a heavy part of a light tree",
			graph: made("runtime: go.opentelemetry.io/otel/exporters/stdout/stdouttrace"),
			want:  []string{"imports go.opentelemetry.io/otel/exporters/stdout/stdouttrace"},
		},
		{
			name:  "testing below the core",
			graph: made("runtime: go.opentelemetry.io/otel/x", "go.opentelemetry.io/otel/x: testing"),
			want:  []string{"go.opentelemetry.io/otel/x imports testing"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := check(tc.graph)
			if len(got) != len(tc.want) {
				t.Errorf("%d violations, want %d: %q", len(got), len(tc.want), got)
			}
			for _, want := range tc.want {
				if !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("%q is missing in %q", want, got)
				}
			}
		})
	}
}
