// Package logs has the records of a runtime read by log pipelines: rsyslog, and lnav.
package logs

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/postlude/postlude/e2e/internal/hostile"
	"github.com/postlude/postlude/e2e/internal/process"
	"github.com/postlude/postlude/e2e/internal/program"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(program.Clean)) }

// line is one that a program wrote.
type line struct {
	raw    string // without its line feed
	fields map[string]any
}

// paths are what is asked of examples/errors: each way of failing that it knows.
var paths = []string{
	"/fail", "/fail?how=panic", "/custom-error", "/monitored", "/retry", "/retry?fail=9", "/retry?fail=validation",
	"/email-fallback", "/email-fallback?primary=invalid", "/critical", "/critical?payment=declined",
	"/smart-handling?error=network", "/smart-handling?error=permission", "/smart-handling?error=validation",
	"/global-handler", "/timing-errors", "/structured-logging?how=panic",
}

// once remembers what a program wrote: it need not run for each test.
type once struct{ lines []line }

func (o *once) of(t *testing.T, program func(*testing.T) []line) []line {
	t.Helper()
	if o.lines == nil {
		o.lines = program(t)
	}
	return slices.Clip(o.lines)
}

var example, eventful once

// exampleLines are those of examples/errors, from its start to its end.
func exampleLines(t *testing.T) []line { return example.of(t, runExample) }

// eventfulLines are records of each kind, with hostile text in them.
func eventfulLines(t *testing.T) []line { return eventful.of(t, runEventful) }

func runExample(t *testing.T) []line {
	t.Helper()
	s := program.Serve(t)
	for _, path := range paths {
		s.Post(path)
	}
	s.Until("task.failed", 17)
	if code := s.Stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return parse(t, s.Stdout.String())
}

func runEventful(t *testing.T) []line {
	t.Helper()
	cmd := exec.Command(program.Build(t, program.Eventful))
	cmd.Env = program.Environment()
	p := process.Start(t, cmd, 2*program.Patience)
	if code := p.Wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return parse(t, p.Stdout.String())
}

func parse(t *testing.T, text string) (all []line) {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Fatalf("the last line has no end: %q", text)
	}
	for raw := range strings.Lines(text) {
		l := line{raw: strings.TrimSuffix(raw, "\n")}
		if err := json.Unmarshal([]byte(l.raw), &l.fields); err != nil {
			t.Fatalf("no JSON: %v\n%s", err, raw)
		}
		all = append(all, l)
	}
	return all
}

// text is the file that lines come from.
func text(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.raw + "\n")
	}
	return b.String()
}

// beforeNUL is v as programs written in C show it.
func beforeNUL(v any) any {
	switch v := v.(type) {
	case string:
		return hostile.BeforeNUL(v)
	case []any:
		all := make([]any, len(v))
		for i, e := range v {
			all[i] = beforeNUL(e)
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for k, e := range v {
			all[k] = beforeNUL(e)
		}
		return all
	}
	return v
}

func event(l line) string {
	e, _ := l.fields["event"].(string)
	return e
}
