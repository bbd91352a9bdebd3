package importrules

import (
	"slices"
	"strings"
	"testing"
)

// databases are what a program links that uses durable tasks, and no other does.
var databases = []string{"github.com/riverqueue/river", "github.com/jackc/pgx/v5", "modernc.org/sqlite"}

// TestCoreLinksNoDatabase: a program that uses the core only does not link River, nor
// what River needs. One with durable tasks does, which shows that the test can tell.
func TestCoreLinksNoDatabase(t *testing.T) {
	g := list(t)
	linked := func(program string) (found []string) {
		for path := range g.chains(module + "/" + program) {
			for _, db := range databases {
				if (path == db || strings.HasPrefix(path, db+"/")) && !slices.Contains(found, db) {
					found = append(found, db)
				}
			}
		}
		return found
	}
	for _, program := range []string{"runtime", "runtime/durable", "runtime/postludetest", "logging", "otelx/otelsetup", "examples/quickstart"} {
		if found := linked(program); len(found) > 0 {
			t.Errorf("%s links %v", program, found)
		}
	}
	if found := linked("examples/durable"); len(found) != len(databases) {
		t.Errorf("examples/durable links %v only, not %v", found, databases)
	}
}
