package logs

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postlude/postlude/e2e/internal/hostile"
	"github.com/postlude/postlude/e2e/internal/need"
	"github.com/postlude/postlude/e2e/internal/process"
	"github.com/postlude/postlude/e2e/internal/program"
)

// query has lnav answer SQL about the lines, with the format that we ship.
func query(t *testing.T, lines []line, sql string) (rows []map[string]any) {
	t.Helper()
	lnav, dir := need.Program(t, "lnav", "lnav"), t.TempDir()
	env := program.Environment("HOME="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "TERM=dumb", "TZ=UTC")
	file := filepath.Join(dir, "records.jsonl")
	write(t, file, text(lines))
	run(t, env, lnav, "-i", filepath.Join(program.Root(t), "logging/formats/postlude.lnav.json"))
	out := run(t, env, lnav, "-n", "-c", ";"+sql, "-c", ":write-json-to -", file)
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatalf("%v in what lnav answered to %s\n%.2000s", err, sql, out)
	}
	return rows
}

// run returns the output of a program that has to succeed.
func run(t *testing.T, env []string, path string, args ...string) string {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = env
	p := process.Start(t, cmd, program.Patience)
	if code := p.Wait(); code != 0 {
		t.Fatalf("%s %q: code %d", path, args, code)
	}
	return p.Stdout.String()
}

// sqlType is the type that SQLite has for a value of a documented type. It has no booleans,
// and a number that is written without a fraction is an integer to lnav.
func sqlType(kind string, v any) string {
	number, _ := v.(float64)
	switch {
	case v == nil:
		return "null"
	case kind == "boolean", kind == "integer", kind == "number" && number == float64(int64(number)):
		return "integer"
	case kind == "number":
		return "real"
	}
	return "text"
}

// sqlValue is what lnav shows of a value. JSON it passes on as it is.
func sqlValue(v any) any {
	switch v := v.(type) {
	case bool:
		return map[bool]float64{true: 1, false: 0}[v]
	case string:
		return hostile.BeforeNUL(v)
	}
	return v
}

// TestLnav: lnav knows each line, and has each documented field of it with its type.
func TestLnav(t *testing.T) {
	need.Program(t, "lnav", "lnav")
	types := documented(t)
	for _, builtin := range []string{"time", "level", "msg"} {
		delete(types, builtin)
	}
	columns := []string{"log_raw_text", "log_level"}
	for _, key := range slices.Sorted(maps.Keys(types)) {
		columns = append(columns, fmt.Sprintf("%q", key), fmt.Sprintf(`typeof(%q) AS "type of %s"`, key, key))
	}
	for name, lines := range map[string][]line{"example": exampleLines(t), "eventful": eventfulLines(t)} {
		t.Run(name, func(t *testing.T) {
			rows := query(t, lines, "SELECT "+strings.Join(columns, ", ")+" FROM postlude ORDER BY log_line")
			if len(rows) != len(lines) {
				t.Fatalf("of %d lines lnav knows %d", len(lines), len(rows))
			}
			for i, l := range lines {
				checkRow(t, l, rows[i], types)
			}
		})
	}
}

func checkRow(t *testing.T, l line, row map[string]any, types map[string]string) {
	t.Helper()
	levels := map[any]any{"DEBUG": "debug", "INFO": "info", "WARN": "warning", "ERROR": "error"}
	if row["log_raw_text"] != l.raw || row["log_level"] != levels[l.fields["level"]] {
		t.Errorf("lnav shows %v: %v\nof: %s", row["log_level"], row["log_raw_text"], l.raw)
	}
	for key, kind := range types {
		v := l.fields[key]
		if got, want := row["type of "+key], sqlType(kind, v); got != want {
			t.Errorf("%s is %v to lnav, not %s: %s", key, got, want, l.raw)
		}
		got, want := row[key], sqlValue(v)
		if text, ok := got.(string); ok && kind != "string" {
			// In the export, lnav takes the type of a column from its first row, and text for null.
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Errorf("%s is no %s to lnav: %v: %s", key, kind, err, text)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %#v to lnav, not %#v", key, got, want)
		}
	}
}

// TestLnavAnswers is the query of the README beside the format.
func TestLnavAnswers(t *testing.T) {
	need.Program(t, "lnav", "lnav")
	var sql string
	for l := range strings.Lines(readFile(t, "logging/formats/README.md")) {
		if _, after, ok := strings.Cut(l, "lnav -n -c ';"); ok {
			sql, _, _ = strings.Cut(after, "'")
		}
	}
	lines := exampleLines(t)
	counts := map[string]float64{}
	for _, l := range lines {
		name, _ := l.fields["task.name"].(string)
		counts[name]++
	}
	rows := query(t, lines, sql)
	for _, row := range rows {
		name, _ := row["task.name"].(string)
		if row["count(*)"] != counts[name] {
			t.Errorf("%q has %v lines, not %v", name, row["count(*)"], counts[name])
		}
	}
	if len(rows) != len(counts) {
		t.Errorf("%d rows for %d tasks", len(rows), len(counts))
	}
}
