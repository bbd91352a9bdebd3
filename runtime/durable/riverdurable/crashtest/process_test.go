package crashtest

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// site is where the processes of one round work.
type site struct {
	kind, db, log string
	takes         time.Duration
}

func newSite(t *testing.T, kind, db string, takes time.Duration) site {
	return site{kind, db, filepath.Join(t.TempDir(), "executions"), takes}
}

// process is a worker process.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
}

// start starts a worker, and returns when it has enqueued and begun to work.
func (s site) start(t *testing.T, enqueue int) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), envWorker+"="+s.kind, envDB+"="+s.db, envLog+"="+s.log,
		envEnqueue+"="+strconv.Itoa(enqueue), envTakes+"="+s.takes.String())
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // also of one that is stopped
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		_ = p.Wait() // the output is complete then
		t.Fatalf("the worker said %q, %v, and on stderr:\n%s", line, err, p.stderr.String())
	}
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// kill kills it as the kernel does when memory is short, and returns when it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	_ = p.Wait()
}

// end ends it in good order.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("the worker ended with %v, and on stderr:\n%s", err, p.stderr.String())
	}
}

// executions counts, for each task, how often it came to its end, and by which processes.
func (s site) executions(t *testing.T) (times map[string]int, by map[string][]string) {
	t.Helper()
	data, err := os.ReadFile(s.log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	times, by = map[string]int{}, map[string][]string{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && strings.HasSuffix(line, "\n") {
			times[f[0]]++
			by[f[0]] = append(by[f[0]], f[2])
		}
	}
	return times, by
}

// await waits until n tasks have come to their end, for d at most.
func (s site) await(t *testing.T, n int, d time.Duration) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(d)
	for {
		times, _ := s.executions(t)
		if len(times) >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d tasks done after %v", len(times), n, d)
		}
		<-tick.C
	}
}
