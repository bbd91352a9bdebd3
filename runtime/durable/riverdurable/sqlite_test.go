package riverdurable_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

func openSQLite(t *testing.T, path string, opts ...riverdurable.Option) *riverdurable.SQLite {
	t.Helper()
	e, err := riverdurable.OpenSQLite(path, opts...)
	must(t, err)
	return e
}

func TestSQLitePaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"tasks.db", "with space.db", "what?mode=memory", "50%25.db", "a#b.db", "é&=+;.db", "file.db?_pragma=x"} {
		e := openSQLite(t, name)
		r := enqueue(t, e, job("task"))
		must(t, e.Close())
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("%q: the file is not there: %v", name, err)
		}
		e = openSQLite(t, name)
		var kind string
		must(t, e.DB().QueryRow("SELECT kind FROM river_job WHERE id = ?", r.ID).Scan(&kind))
		must(t, e.Close())
	}
}

func TestSQLiteRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"", ":memory:", "file:x.db", filepath.Join(dir, "none", "x.db")} {
		if e, err := riverdurable.OpenSQLite(path); err == nil {
			t.Errorf("%q was opened", path)
			_ = e.Close()
		}
	}
}

func TestSQLiteIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tasks.db")
	e := openSQLite(t, path)
	link := filepath.Join(dir, "link.db")
	must(t, os.Symlink(path, link))
	for _, same := range []string{path, link} {
		_, err := riverdurable.OpenSQLite(same)
		if err == nil || !strings.Contains(err.Error(), "this process itself") || !strings.Contains(err.Error(), "OpenPostgres") {
			t.Errorf("a second one opened %s: %v", same, err)
		}
	}
	pid, err := os.ReadFile(path + ".lock")
	if err != nil || string(pid) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("the lock file has %q, %v", pid, err)
	}
	must(t, e.Close())
	must(t, openSQLite(t, path).Close())
}

// TestSQLiteTakesUp: what ran when a process died is available when the file is opened again.
func TestSQLiteTakesUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	e := openSQLite(t, path)
	r := enqueue(t, e, job("task"))
	canceled := enqueue(t, e, job("task"))
	last := enqueue(t, e, job("task"))
	for _, statement := range []string{
		`UPDATE river_job SET state = 'running', attempt = 3, attempted_by = jsonb('["somebody"]')`,
		`UPDATE river_job SET metadata = jsonb_set(metadata, '$.cancel_attempted_at', 'now') WHERE id = ` + canceled.ID,
		`UPDATE river_job SET attempt = 32767 WHERE id = ` + last.ID,
		`INSERT INTO river_leader (elected_at, expires_at, leader_id) VALUES (datetime('now'), datetime('now', '+1 hour'), 'dead')`,
	} {
		_, err := e.DB().Exec(statement)
		must(t, err)
	}
	must(t, e.Close())

	e = openSQLite(t, path)
	t.Cleanup(func() { must(t, e.Close()) })
	h := &handler{do: done}
	work(t, e, h)
	eventually(t, "both are done", func() bool { return h.count() == 2 })
	attempts := map[string]int{}
	for _, d := range h.deliveries() {
		attempts[d.ID] = d.Attempt
	}
	if attempts[r.ID] != 4 || attempts[last.ID] != 32767 {
		t.Errorf("attempts: %v", attempts)
	}
	var state string
	must(t, e.DB().QueryRow("SELECT state FROM river_job WHERE id = ?", canceled.ID).Scan(&state))
	if state != "cancelled" {
		t.Errorf("the one that was to be canceled is %s", state)
	}
	eventually(t, "there is a leader", func() bool {
		var leader string
		return e.DB().QueryRow("SELECT leader_id FROM river_leader").Scan(&leader) == nil && strings.HasPrefix(leader, "postlude/")
	})
}

func TestCloseWhileWorking(t *testing.T) {
	e := openSQLite(t, filepath.Join(t.TempDir(), "tasks.db"))
	s := work(t, e, answer(done))
	if err := e.Close(); err == nil || !strings.Contains(err.Error(), "still work") {
		t.Errorf("Close: %v", err)
	}
	stop(t, s)
	must(t, e.Close())
}

func TestOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	_, err := riverdurable.OpenSQLite(path, nil,
		riverdurable.Workers(0), riverdurable.Queue("No", 1), riverdurable.Queue("", 1), riverdurable.Queue("q", 99999),
		riverdurable.KeepDead(-5), riverdurable.ProcessID(""), riverdurable.LivenessGrace(time.Second), riverdurable.LockConnection(nil))
	for _, want := range []string{
		"Workers: 0", `Queue("No"`, `Queue(""`, "99999", "KeepDead(-5ns)", `ProcessID("")`, "LivenessGrace(1s)", "LockConnection: ",
		"ProcessID is no option of OpenSQLite",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from:\n%v", want, err)
		}
	}
	if _, err := os.Stat(path + ".lock"); err == nil {
		t.Error("the lock file was made")
	}
	e := openSQLite(t, path, riverdurable.Workers(3), riverdurable.KeepCompleted(riverdurable.Forever),
		riverdurable.KeepCanceled(time.Hour), riverdurable.KeepDead(time.Hour), riverdurable.RelaxedSync())
	must(t, e.Close())
	must(t, openSQLite(t, path, riverdurable.CheckOnly()).Close())
}

func TestCheckOnly(t *testing.T) {
	_, err := riverdurable.OpenSQLite(filepath.Join(t.TempDir(), "tasks.db"), riverdurable.CheckOnly())
	if err == nil || !strings.Contains(err.Error(), "river migrate-up") {
		t.Errorf("%v", err)
	}
}

func TestWorkRefuses(t *testing.T) {
	e := openSQLite(t, filepath.Join(t.TempDir(), "tasks.db"))
	if _, err := e.Work(bg, durable.Worker{}); err == nil {
		t.Error("a Worker without anything")
	}
	must(t, e.Close())
	w := durable.Worker{Do: done, Logger: discard}
	if _, err := e.Work(bg, w); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("%v", err)
	}
}
