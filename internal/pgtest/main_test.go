package pgtest_test

import (
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/postlude/postlude/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a server of the test's own, whatever the environment says.
func start(t *testing.T) *pgtest.Server {
	t.Helper()
	t.Setenv("TEST_DATABASE_URL", "")
	t.Setenv("POSTLUDE_REQUIRE_POSTGRES", "1")
	return pgtest.Start(t)
}

func psql(url, query string) *exec.Cmd {
	return exec.Command(pgtest.Program("psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--quiet",
		"--set=ON_ERROR_STOP=1", "--dbname="+url, "--command="+query)
}

// ask runs a query and returns what it yields.
func ask(t *testing.T, url, query string) string {
	t.Helper()
	out, err := psql(url, query).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", query, err, out)
	}
	return strings.TrimSpace(string(out))
}

// refused makes sure that nobody listens.
func refused(t *testing.T, url string) {
	t.Helper()
	if out, err := psql(url, "select 1").CombinedOutput(); err == nil || !strings.Contains(string(out), "Connection refused") {
		t.Errorf("a connection to a server that has ended: %v\n%s", err, out)
	}
}
