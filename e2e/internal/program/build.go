// Package program builds the commands of this repository and runs them as users do: as
// processes of their own, set up by OTEL_* variables.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	// go test takes a result from its cache if the test binary is the same. With these, it
	// is another when what the programs are made of has changed.
	_ "github.com/postlude/postlude/logging"
	_ "github.com/postlude/postlude/otelx/otelsetup"
	_ "github.com/postlude/postlude/runtime/notify"
)

// Packages that tests run.
const (
	Errors   = "github.com/postlude/postlude/examples/errors"
	Eventful = "github.com/postlude/postlude/e2e/internal/eventful"
)

var built struct {
	sync.Mutex
	dir   string
	paths map[string]string // by package
}

// Build builds a main package, once in a test binary, and returns the program's path.
// TestMain has to call Clean.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if program, ok := built.paths[pkg]; ok {
		return program
	}
	program, err := build(pkg)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func build(pkg string) (string, error) {
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "postlude-e2e-")
		if err != nil {
			return "", err
		}
		built.dir, built.paths = dir, map[string]string{}
	}
	program := filepath.Join(built.dir, path.Base(pkg))
	dir, err := moduleOf(pkg)
	if err != nil {
		return "", err
	}
	// Without DWARF: linking is most of the time that these tests take.
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-w", "-o", program, pkg)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	built.paths[pkg] = program
	return program, nil
}

// Clean removes what Build has built: goleak.VerifyTestMain(m, goleak.Cleanup(program.Clean)).
// It ends the test binary.
func Clean(code int) {
	if err := os.RemoveAll(built.dir); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "remove the programs:", err)
		code = 1
	}
	os.Exit(code)
}

const (
	root = "github.com/postlude/postlude"
	here = root + "/e2e"
)

// moduleOf is the folder of the module that pkg is in: its own go.mod says what it is built of.
func moduleOf(pkg string) (string, error) {
	module := root
	if strings.HasPrefix(pkg, here+"/") {
		module = here
	}
	return folder(module)
}

func folder(module string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("where is module %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Root is the folder of the repository.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := folder(root)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
