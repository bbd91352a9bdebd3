package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// superuser is the role that owns everything; it needs no password.
const superuser = "postgres"

// folder is the folder of this process for all its servers. It is deleted when the
// process is gone, however it went.
var folder = sync.OnceValues(func() (tidied, error) {
	// Not T.TempDir: the user that PostgreSQL runs as could not reach into it.
	dir, err := os.MkdirTemp("", "postlude-pg-")
	if err != nil {
		return tidied{}, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return tidied{}, err
	}
	alive, err := keepTidy(dir)
	return tidied{path: dir, alive: alive}, err
})

// tidied is a folder that a janitor deletes in the end.
type tidied struct {
	path  string
	alive *os.File // the garbage collector would close it if it were not here
}

// janitor deletes a folder when its standard input ends, and that is when the process
// with the other end of the pipe has ended. Servers that are about to end may still
// write, so it tries for a while.
const janitor = `while read -r _; do :; done
for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" 2>/dev/null && exit; sleep 1; done`

// keepTidy starts a janitor, and returns what it watches.
func keepTidy(dir string) (alive *os.File, err error) {
	in, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-c", janitor, "sh", dir)
	cmd.Stdin, cmd.Dir = in, "/"
	// An interrupt from the terminal is for the tests. The janitor is to outlive them.
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the shell that deletes %s in the end: %w", dir, err)
	}
	return alive, in.Close()
}

// template returns a data directory that no server has used. To copy it takes a tenth of
// the time to make another.
func template(bin programs) (string, error) {
	templates.Lock()
	defer templates.Unlock()
	if dir, ok := templates.made[bin]; ok {
		return dir, nil
	}
	parent, err := newFolder()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(parent, "data")
	cmd := exec.Command(bin.path("initdb"), "--pgdata="+dir, "--username="+superuser,
		"--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8", "--no-instructions")
	cmd.Env, cmd.Dir, cmd.SysProcAttr = environment(), parent, asUser()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if templates.made == nil {
		templates.made = make(map[programs]string)
	}
	templates.made[bin] = dir
	return dir, nil
}

var templates struct {
	sync.Mutex
	made map[programs]string
}

// newFolder makes a folder that belongs to the user that PostgreSQL runs as.
func newFolder() (string, error) {
	parent, err := folder()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(parent.path, "")
	if err != nil {
		return "", err
	}
	return dir, give(dir)
}
