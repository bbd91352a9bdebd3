package pgtest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/internal/pgtest"
)

const victim = "PGTEST_VICTIM"

// TestVictim is the process that TestKilledTestBinary kills.
func TestVictim(t *testing.T) {
	if os.Getenv(victim) == "" {
		return
	}
	srv := start(t)
	fmt.Println(srv.Dir())
	fmt.Println(srv.Processes())
	select {}
}

// TestKilledTestBinary: when a test binary is killed, its servers end and their files
// are deleted, though no cleanup runs.
func TestKilledTestBinary(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victim+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir, pids string
	lines := bufio.NewReader(out)
	if _, err := fmt.Fscanln(lines, &dir); err != nil {
		t.Error(err)
	}
	if pids, err = lines.ReadString('\n'); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed, says the error
	all := ints(t, pids)
	if len(all) < 5 {
		t.Fatalf("the processes of the server are %q", pids)
	}
	await(t, "the end of the server's processes", func() bool {
		for _, pid := range all {
			if pgtest.Alive(pid) {
				return false
			}
		}
		return true
	})
	await(t, "the end of the folder "+dir, func() bool {
		_, err := os.Stat(filepath.Dir(dir))
		return os.IsNotExist(err)
	})
}

// ints reads the numbers that fmt.Println wrote of a []int.
func ints(t *testing.T, s string) (all []int) {
	t.Helper()
	for _, f := range strings.Fields(strings.Trim(s, "[]\n")) {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s: not after 20 s", what)
		}
	}
}
