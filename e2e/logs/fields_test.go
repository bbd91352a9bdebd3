package logs

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/postlude/postlude/e2e/internal/hostile"
	"github.com/postlude/postlude/e2e/internal/program"
)

// row is one of the table of fields in logging/formats/README.md.
var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (string|boolean|integer|number|json) \\|")

// documented returns the type of each field.
func documented(t *testing.T) map[string]string {
	t.Helper()
	types := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(readFile(t, "logging/formats/README.md"), -1) {
		types[m[1]] = m[2]
	}
	if len(types) < 30 {
		t.Fatalf("the table has %d fields only", len(types))
	}
	return types
}

// readFile reads a file of the repository.
func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(program.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// own are the fields that the two programs add themselves.
var own = map[string]string{
	"service": "string", "answer": "integer", "got": "string", "attempt": "integer", "order.id": "string",
	"shop.note": "string", "shop.lines": "integer", "shop.total": "number", "shop.paid": "boolean", "wait_ms": "number",
}

// isOf tells whether a value as encoding/json decodes it is of the documented type.
func isOf(v any, kind string) bool {
	switch v := v.(type) {
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	case map[string]any:
		return kind == "json"
	}
	return false
}

// TestFields: the table tells the truth about each field of each line, and the whole truth.
func TestFields(t *testing.T) {
	types, seen := documented(t), map[string]bool{}
	for _, l := range append(exampleLines(t), eventfulLines(t)...) {
		for key, v := range l.fields {
			seen[key] = true
			kind := types[key] + own[key]
			if !isOf(v, kind) {
				t.Errorf("%s is documented as %q, and is %T here: %s", key, kind, v, l.raw)
			}
		}
	}
	for key := range types {
		if !seen[key] {
			t.Errorf("%s is documented, but on no line", key)
		}
	}
}

// TestEvents: the eventful program provokes every event that there is, so that the other
// tests read a record of each kind.
func TestEvents(t *testing.T) {
	lines := eventfulLines(t)
	seen := map[string]int{}
	for _, l := range lines {
		seen[event(l)]++
	}
	names := events(t)
	if len(names) < 13 {
		t.Errorf("taskconv has the events %q only", names)
	}
	for _, name := range names {
		if seen[name] == 0 {
			t.Errorf("no record of %s", name)
		}
	}
	for _, l := range lines { // and text is hostile where it is said to be
		if l.fields["task.name"] == "fails" && event(l) == "task.failed" {
			if l.fields["exception.message"] != hostile.Shown || len(l.raw) < 16<<10 {
				t.Errorf("a tame record: %s", l.raw)
			}
		}
	}
}

// events are the values of taskconv's constants Event...
func events(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", readFile(t, "runtime/taskconv/taskconv.go"), 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Event") {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
		return true
	})
	return names
}

// TestLnavFormatAgrees: the format has the documented fields, and their types.
func TestLnavFormatAgrees(t *testing.T) {
	var format struct {
		Postlude struct {
			Value map[string]struct{ Kind string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "logging/formats/postlude.lnav.json")), &format); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{"string": "string", "boolean": "boolean", "integer": "integer", "number": "float", "json": "json"}
	types := documented(t)
	for _, builtin := range []string{"time", "level", "msg"} { // lnav has columns of its own for them
		delete(types, builtin)
	}
	for key, kind := range types {
		if got := format.Postlude.Value[key].Kind; got != kinds[kind] {
			t.Errorf("%s has the kind %q", key, got)
		}
	}
	for key := range format.Postlude.Value {
		if types[key] == "" {
			t.Errorf("%s is not documented", key)
		}
	}
}
