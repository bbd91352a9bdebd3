package postlude_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/postlude/postlude/otelx/otelsetup"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestREADME: what it shows as Go is compiled, here or in an example.
func TestREADME(t *testing.T) {
	files, err := filepath.Glob("example_*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	source := ""
	for _, name := range append(files, "durable/riverdurable/example_test.go", "../dashboards/taskz/example_test.go") {
		source += flat(readFile(t, name))
	}
	blocks := strings.Split(readFile(t, "../README.md"), "```go\n")[1:]
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(source, flat(block)) {
			t.Errorf("this is in no example_*_test.go:\n%s", block)
		}
	}
	if len(blocks) < 3 {
		t.Errorf("only %d blocks of Go were looked up", len(blocks))
	}
}

// flat is code without its indentation, which the README does not keep.
func flat(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// TestREADMEExample runs it.
func TestREADMEExample(t *testing.T) {
	h := postludetest.New(t, postlude.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", order)
	if w := h.Serve(mux, httptest.NewRequest("POST", "/orders/o-17", nil)); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
	h.Settle()
	for _, name := range []string{"POST /orders/{id}", "run send_receipt", "run charge", "run count_order"} {
		if len(h.Spans(name)) != 1 {
			t.Errorf("%d spans %s", len(h.Spans(name)), name)
		}
	}
	t.Setenv("OTEL_SDK_DISABLED", "true")
	telemetry, err1 := otelsetup.Start(t.Context(), otelsetup.Config{})
	srv, rt, err2 := server()
	if err := errors.Join(err1, err2, shutdown(t.Context(), srv, rt, telemetry)); err != nil {
		t.Error(err)
	}
}

// TestREADMENames: every metric and event that there is, is in the README.
func TestREADMENames(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "taskconv/taskconv.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	readme, found := readFile(t, "../README.md"), 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Metric") && !strings.HasPrefix(spec.Names[0].Name, "Event") {
			return true
		}
		name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		found++
		if !strings.Contains(readme, "`"+name) {
			t.Errorf("the README does not tell of %s", name)
		}
		return true
	})
	if found < 15 {
		t.Errorf("only %d names were looked up", found)
	}
}
