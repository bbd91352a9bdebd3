package pgtest_test

import (
	"os"
	"testing"

	"github.com/postlude/postlude/internal/pgtest"
)

// TestEndsAreComplete: whichever way a server ends, its clients are cut off at once,
// even from a query that would never look up, and no process is left.
func TestEndsAreComplete(t *testing.T) {
	const endless = "do $$begin loop null; end loop; end$$"
	for _, c := range []struct {
		name string
		end  func(*pgtest.Server)
	}{
		{"Stop", (*pgtest.Server).Stop},
		{"Kill", (*pgtest.Server).Kill},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := start(t)
			u := srv.URL()
			client := psql(u, endless)
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, "the query", func() bool {
				return ask(t, u, "select count(*) from pg_stat_activity where query = '"+endless+"'") == "1"
			})
			all := srv.Processes()
			if len(all) < 6 {
				t.Errorf("only %d processes were found: the server, its helpers and the query's are expected", len(all))
			}
			c.end(srv)
			for _, pid := range all {
				if pgtest.Alive(pid) {
					t.Errorf("the process %d is left", pid)
				}
			}
			if client.Wait() == nil {
				t.Error("the client did not notice")
			}
			refused(t, u)
		})
	}
}

func TestCleanup(t *testing.T) {
	var dir string
	var all []int
	t.Run("test", func(t *testing.T) {
		srv := start(t)
		dir, all = srv.Dir(), srv.Processes()
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v", dir, err)
	}
	for _, pid := range all {
		if pgtest.Alive(pid) {
			t.Errorf("the process %d is left", pid)
		}
	}
}
