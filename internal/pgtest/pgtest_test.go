package pgtest_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postlude/postlude/internal/pgtest"
)

func TestURL(t *testing.T) {
	srv := start(t)
	a, b := srv.URL(), srv.URL()
	if a == b {
		t.Fatalf("both databases are %s", a)
	}
	ask(t, a, "create table x (n int)")
	ask(t, b, "create table x (n int)") // fails if it is the same database
	if got := ask(t, a, "show server_encoding"); got != "UTF8" {
		t.Errorf("the encoding is %s", got)
	}
}

func TestServersAreApart(t *testing.T) {
	a, b := start(t).URL(), start(t).URL()
	ask(t, a, "create table x (n int)")
	if got := ask(t, b, "select count(*) from pg_tables where tablename = 'x'"); got != "0" {
		t.Errorf("%s sees the table of %s", b, a)
	}
}

func TestRestartKeepsTheData(t *testing.T) {
	srv := start(t)
	u := srv.URL()
	ask(t, u, "create table x (n int); insert into x values (7)")
	for _, end := range []func(){srv.Stop, srv.Kill, func() {}} {
		end()
		srv.Restart()
		if got := ask(t, u, "select n from x"); got != "7" {
			t.Errorf("the table has %q", got)
		}
	}
}

func TestStopTwice(t *testing.T) {
	srv := start(t)
	u := srv.URL()
	srv.Stop()
	refused(t, u)
	srv.Stop()
	srv.Kill()
}

func TestExternalServer(t *testing.T) {
	own := start(t)
	t.Setenv("TEST_DATABASE_URL", own.URL())
	var name, skipped string
	t.Run("test", func(t *testing.T) {
		u, err := url.Parse(pgtest.Start(t).URL())
		if err != nil {
			t.Fatal(err)
		}
		name = strings.TrimPrefix(u.Path, "/")
		ask(t, u.String(), "create table x (n int)")
	})
	u := own.URL()
	if got := ask(t, u, "select count(*) from pg_database where datname = '"+name+"'"); name == "" || got != "0" {
		t.Errorf("the database %q is left", name)
	}
	for method, call := range map[string]func(*pgtest.Server){
		"Stop": (*pgtest.Server).Stop, "Kill": (*pgtest.Server).Kill, "Restart": (*pgtest.Server).Restart,
	} {
		t.Run(method, func(t *testing.T) {
			note := &skipper{TB: t}
			srv := pgtest.Start(note)
			func() {
				defer func() { skipped, _ = recover().(string) }()
				call(srv)
			}()
			if !strings.Contains(skipped, method) || !strings.Contains(skipped, "TEST_DATABASE_URL") {
				t.Errorf("it was skipped with %q", skipped)
			}
		})
	}
}

// skipper panics with the reason instead of skipping.
type skipper struct{ testing.TB }

func (s *skipper) Skipf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func TestMissing(t *testing.T) {
	err := pgtest.Missing(filepath.Join(t.TempDir(), "bin"))
	if err == nil || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("got %v", err)
	}
}
