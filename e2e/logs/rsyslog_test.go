package logs

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/postlude/postlude/e2e/internal/need"
	"github.com/postlude/postlude/e2e/internal/process"
	"github.com/postlude/postlude/e2e/internal/program"
)

// syslog is a running rsyslog, with the configuration that we ship.
type syslog struct {
	t   *testing.T
	dir string
	*process.Process
}

// places are where that configuration reads and writes.
const places = "/var/log/shop/"

func startSyslog(t *testing.T) *syslog {
	t.Helper()
	rsyslogd, dir := need.Program(t, "rsyslog", "rsyslogd"), t.TempDir()
	shipped := readFile(t, "logging/formats/postlude.rsyslog.conf")
	if n := strings.Count(shipped, `"`+places); n != 3 {
		t.Fatalf("the shipped configuration names %d files in %s", n, places)
	}
	write(t, filepath.Join(dir, "postlude.conf"), strings.ReplaceAll(shipped, places, dir+"/"))
	write(t, filepath.Join(dir, "main.conf"), `
		global(workDirectory="`+dir+`")
		include(file="`+dir+`/postlude.conf")
		*.* action(type="omfile" file="`+dir+`/own.log") # what rsyslog has to say itself
	`)
	if out, err := exec.Command(rsyslogd, "-N1", "-f", filepath.Join(dir, "main.conf")).CombinedOutput(); err != nil {
		t.Fatalf("the configuration is wrong: %v\n%s", err, out)
	}
	cmd := exec.Command(rsyslogd, "-n", "-f", filepath.Join(dir, "main.conf"), "-i", filepath.Join(dir, "pid"))
	return &syslog{t: t, dir: dir, Process: process.Start(t, cmd, 3*program.Patience)}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// feed writes text to the file that rsyslog reads, in pieces that end anywhere.
func (s *syslog) feed(text string) {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, "records.jsonl"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for len(text) > 0 {
		n := min(len(text), 4099)
		if _, err := f.WriteString(text[:n]); err != nil {
			s.t.Fatal(err)
		}
		text = text[n:]
	}
}

// read returns what is in one of rsyslog's files; one that is not there is empty.
func (s *syslog) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(b)
}

// parsed waits for n parsed lines, ends rsyslog, and returns all that there are.
func (s *syslog) parsed(n int) []line {
	s.t.Helper()
	s.Await(program.Patience, "all lines are there", func() bool {
		return strings.Count(s.read("parsed.jsonl"), "\n")+strings.Count(s.read("unparsed.log"), "\n") >= n
	})
	if code := s.End(syscall.SIGTERM); code != 0 {
		s.t.Errorf("rsyslogd ended with code %d\n%s", code, s.read("own.log"))
	}
	if bad := s.read("unparsed.log"); bad != "" {
		s.t.Errorf("what was no JSON to rsyslog:\n%.2000s", bad)
	}
	return parse(s.t, s.read("parsed.jsonl"))
}

// TestRsyslog: what rsyslog makes of the lines is what was written: as many, in their
// order, with the same fields of the same types.
func TestRsyslog(t *testing.T) {
	need.Program(t, "rsyslog", "rsyslogd")
	for name, lines := range map[string][]line{"example": exampleLines(t), "eventful": eventfulLines(t)} {
		t.Run(name, func(t *testing.T) {
			s := startSyslog(t)
			s.feed(text(lines))
			got := s.parsed(len(lines))
			if len(got) != len(lines) {
				t.Fatalf("of %d lines rsyslog made %d", len(lines), len(got))
			}
			for i, l := range lines {
				compare(t, l, got[i].fields)
			}
		})
	}
}

// compare reports where the fields that a pipeline has are not those of the line.
func compare(t *testing.T, l line, got map[string]any) {
	t.Helper()
	for key := range maps.Keys(l.fields) {
		if want := beforeNUL(l.fields[key]); !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s of %s is %#v, not %#v", key, event(l), got[key], want)
		}
	}
	if len(got) != len(l.fields) {
		t.Errorf("%d fields, not %d: %s", len(got), len(l.fields), l.raw)
	}
}
