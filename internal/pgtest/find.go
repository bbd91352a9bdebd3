package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// programs is the folder that PostgreSQL's programs are in; "" for those of PATH.
type programs string

// find returns the newest that Debian's packages installed, which keep the server's
// programs out of PATH; else PATH.
func find() programs {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is right
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // 0, the oldest, if it is no number
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		// A folder of the client's programs alone is there, too, where only those are installed.
		if programs(dir).check() == nil {
			return programs(dir)
		}
	}
	return ""
}

func (p programs) path(name string) string { return filepath.Join(string(p), name) }

// check tells what is missing to start a server.
func (p programs) check() error {
	for _, name := range []string{"initdb", "postgres", "createdb"} {
		if _, err := exec.LookPath(p.path(name)); err != nil {
			return fmt.Errorf("there is no PostgreSQL here (%w): install it (Debian: apt-get install postgresql), or set TEST_DATABASE_URL", err)
		}
	}
	return nil
}

// environment is the process's, less what would have PostgreSQL's programs connect
// elsewhere or speak another language.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "PG") || strings.HasPrefix(kv, "LC_") || strings.HasPrefix(kv, "LANG")
	})
	return append(env, "LC_ALL=C")
}
