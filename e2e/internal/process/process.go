// Package process runs the programs of a test. Each is ended with the test, by its pid and
// at the latest when its time is up; what it wrote is shown if the test has failed.
package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Process is a running program. Its methods are for the goroutine of the test.
type Process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; to be read after done

	Stdout, Stderr *Output
}

// Start starts cmd, whose output the Process takes. After limit it is killed, and the
// test fails.
func Start(t testing.TB, cmd *exec.Cmd, limit time.Duration) *Process {
	t.Helper()
	p := &Process{
		t: t, name: filepath.Base(cmd.Path), cmd: cmd, done: make(chan struct{}),
		Stdout: new(Output), Stderr: new(Output),
	}
	cmd.Stdout, cmd.Stderr = p.Stdout, p.Stderr
	cmd.WaitDelay = time.Second // a child of its own may keep the pipes open
	endWithParent(cmd)
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	overdue := time.AfterFunc(limit, p.overdue(limit))
	t.Cleanup(func() {
		p.kill()
		<-p.done
		overdue.Stop()
		p.show()
	})
	return p
}

// run owns the program. The kernel ends that with the thread that started it, see
// endWithParent, and Go ends threads as it likes: so the thread is locked to this
// goroutine, and ends with it.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer close(p.done)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// PID is the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// overdue returns what is to be done when the program's time is up.
func (p *Process) overdue(limit time.Duration) func() {
	return func() {
		select {
		case <-p.done:
		default:
			p.t.Errorf("%s has not ended within %v: killed", p.name, limit)
			p.kill()
		}
	}
}

func (p *Process) kill() { _ = p.cmd.Process.Kill() } // an error says that it has ended

// show logs the end of what the program wrote, if the test has failed.
func (p *Process) show() {
	if p.t.Failed() {
		p.t.Logf("%s ended: %v\n--- stdout\n%s\n--- stderr\n%s", p.name, p.err, tail(p.Stdout.String()), tail(p.Stderr.String()))
	}
}

func tail(s string) string {
	const most = 4 << 10
	if len(s) > most {
		return "[...]" + s[len(s)-most:]
	}
	return s
}

// Await polls until ready says so. It ends the test if the program has ended, or after
// limit; what is what was waited for.
func (p *Process) Await(limit time.Duration, what string, ready func() bool) {
	p.t.Helper()
	timeout := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-p.done:
			if ready() { // it wrote that with its last breath
				return
			}
			p.t.Fatalf("%s has ended (%v) before: %s", p.name, p.err, what)
		case <-timeout:
			p.t.Fatalf("%s, within %v: not so: %s", p.name, limit, what)
		}
	}
}

// Wait waits until the program has ended by itself, and returns its exit code; -1 for one
// that was killed.
func (p *Process) Wait() int {
	p.t.Helper()
	<-p.done // at the latest when its time is up
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatalf("%s: %v", p.name, p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// End asks the program to end, and returns its exit code.
func (p *Process) End(by os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(by); err != nil {
		p.t.Fatalf("%s could not be sent %v: %v", p.name, by, err)
	}
	return p.Wait()
}

// Output is what a program has written so far.
type Output struct {
	mu  sync.Mutex
	all []byte
}

// Write appends to the output.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, b...)
	return len(b), nil
}

// String is the output up to now; its last line may be half written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.all)
}
