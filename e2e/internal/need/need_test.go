package need

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// witness is a test that notes how it was ended.
type witness struct {
	testing.TB
	skipped, failed string
}

func (w *witness) Helper() {}

func (w *witness) Skipf(format string, args ...any) {
	w.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (w *witness) Fatalf(format string, args ...any) {
	w.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// watch runs a test of its own.
func watch(test func(testing.TB)) *witness {
	w, ended := new(witness), make(chan struct{})
	go func() {
		defer close(ended)
		test(w)
	}()
	<-ended
	return w
}

func lacks(t testing.TB) { Program(t, "nopackage", "no-such-program", "nor-this-one") }

func TestMissingSkips(t *testing.T) {
	t.Setenv(Require, "")
	w := watch(lacks)
	if w.failed != "" || !strings.Contains(w.skipped, "no-such-program or nor-this-one") || !strings.Contains(w.skipped, "install --no-install-recommends nopackage") {
		t.Errorf("skipped with %q, failed with %q", w.skipped, w.failed)
	}
}

func TestMissingFailsWhereItIsRequired(t *testing.T) {
	t.Setenv(Require, "1")
	if w := watch(lacks); w.skipped != "" || !strings.Contains(w.failed, Require+" is set") {
		t.Errorf("skipped with %q, failed with %q", w.skipped, w.failed)
	}
}

func TestProgramFindsTheFirst(t *testing.T) {
	t.Setenv(Require, "1")
	if path := Program(t, "golang", "no-such-program", "go"); !strings.HasSuffix(path, "/go") {
		t.Errorf("go is %q", path)
	}
}

func TestService(t *testing.T) {
	t.Setenv(Require, "1")
	t.Setenv("POSTLUDE_TEST_ONE", "http://127.0.0.1:1")
	t.Setenv("POSTLUDE_TEST_TWO", "")
	w := watch(func(t testing.TB) { Service(t, "POSTLUDE_TEST_ONE", "POSTLUDE_TEST_TWO") })
	if w.failed != "" || w.skipped != "set POSTLUDE_TEST_TWO to run this" {
		t.Errorf("skipped with %q, failed with %q", w.skipped, w.failed)
	}
	if got := Service(t, "POSTLUDE_TEST_ONE"); got[0] != "http://127.0.0.1:1" {
		t.Errorf("the service is at %v", got)
	}
}
