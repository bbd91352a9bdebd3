package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram in the environment has the test binary be the program.
const asProgram = "CHECKOUT_AS_PROGRAM"

// TestSIGTERM: a process under load that is told to stop finishes what it must, says what
// became of the rest, and ends with code 0, in time.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log", "checkout.jsonl")
	var stderr output
	cmd := exec.Command(os.Args[0], "-addr", "127.0.0.1:0", "-payment-addr", "127.0.0.1:0", "-log", "json", "-log-file", file,
		"-load", "20", "-fail", "0.5", "-slow", "1s", "-grace", "100ms")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var stdout output
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // of one that has ended, nothing
	eventually(t, "some tasks", func() bool { return strings.Count(stdout.String(), `"task.succeeded"`) > 50 })
	_, rest, _ := strings.Cut(stderr.String(), "http") // it prints where it listens
	url := "http" + strings.Fields(rest)[0]
	if resp, err := http.Post(url+"orders?payment=slow", "", nil); err != nil {
		t.Fatal(err)
	} else if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatal(resp.Status, err)
	}
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v\n%s", err, stderr.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it has not ended in 10 s")
	}
	t.Logf("it ended in %v", time.Since(began))
	http.DefaultClient.CloseIdleConnections()
	checkDrained(t, stdout.String())
	if lines, err := os.ReadFile(file); err != nil || !slices.Equal(sorted(string(lines)), sorted(stdout.String())) {
		t.Errorf("the file has other records than stdout: %v, %d and %d bytes", err, len(lines), len(stdout.String()))
	}
}

// sorted is for comparing: each output has a lock of its own, so their lines may differ in order.
func sorted(lines string) []string { return slices.Sorted(strings.Lines(lines)) }

// checkDrained reads the records of a process that has ended.
func checkDrained(t *testing.T, lines string) {
	t.Helper()
	all := decode(t, lines)
	var shutdowns []string
	for _, r := range all {
		if r.text("event") == "runtime.shutdown" {
			shutdowns = append(shutdowns, r.text("service.name")+" "+r.text("runtime.unfinished"))
		}
	}
	if got := strings.Join(shutdowns, ", "); got != "shop 0, payment 0" { // who is called ends last
		t.Errorf("the runtimes shut down, with so many unfinished tasks: %s", got)
	}
	ends := map[string]int{}
	for _, r := range all {
		if r.final() || r.text("event") == "task.requeued" {
			ends[r.text("task.id")]++
		}
		if r.text("task.name") == "charge" && r.text("event") == "task.dropped" {
			t.Errorf("a shielded task was dropped: %v", r)
		}
	}
	for id, n := range ends {
		if n != 1 {
			t.Errorf("task %s has %d ends", id, n)
		}
	}
}
