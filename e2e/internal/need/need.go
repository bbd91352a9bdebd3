// Package need tells what an end-to-end test needs of the machine. What is missing skips
// the test, with a message, unless POSTLUDE_REQUIRE_E2E is set: then the test fails, so
// that a pipeline can't pass by testing nothing.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Require is the environment variable that makes what is missing a failure.
const Require = "POSTLUDE_REQUIRE_E2E"

// system is where Debian has daemons, which is not in the PATH of everybody.
var system = []string{"/usr/sbin", "/usr/local/sbin", "/sbin"}

// Program returns the path of the first of the names that is installed. pkg is the Debian
// package to be named to whoever lacks it.
func Program(t testing.TB, pkg string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, ok := find(name); ok {
			return path
		}
	}
	missing(t, "%s is not installed: apt-get install --no-install-recommends %s", strings.Join(names, " or "), pkg)
	return ""
}

func find(name string) (string, bool) {
	if path, err := exec.LookPath(name); err == nil {
		return path, true
	}
	for _, dir := range system {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, true
		}
	}
	return "", false
}

func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(Require) != "" {
		t.Fatalf(format+" ("+Require+" is set)", args...)
	}
	t.Skipf(format, args...)
}

// Service returns the values of environment variables that tell where a service is that
// no test can start. Without one of them the test is skipped, also where Require is set:
// a pipeline without that service is whole.
func Service(t testing.TB, names ...string) []string {
	t.Helper()
	var values, absent []string
	for _, name := range names {
		value := os.Getenv(name)
		if value == "" {
			absent = append(absent, name)
		}
		values = append(values, value)
	}
	if len(absent) > 0 {
		t.Skipf("set %s to run this", strings.Join(absent, " and "))
	}
	return values
}
