package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// How a server may be asked to end, see "Shutting Down the Server" in PostgreSQL's
// manual: fast cuts off the clients and tidies up, immediate does not tidy up.
const (
	fast      = syscall.SIGINT
	immediate = syscall.SIGQUIT
)

// process is a running server.
type process struct {
	pid  int
	os   *os.Process
	done chan struct{} // closed when it has ended
	end  error         // how it ended; to be read after done
}

// launch starts a server that writes to the file log.
func launch(cmd *exec.Cmd, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ends the server when the thread that started it ends, see asServer,
		// and Go ends threads as it likes. So this thread is locked to the goroutine for
		// as long as the server runs, and never unlocked: it ends with the goroutine.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.end = cmd.Wait()
		}
	}()
	err = errors.Join(<-started, out.Close()) // the server has the file, too
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	p.pid, p.os = cmd.Process.Pid, cmd.Process
	return p, nil
}

func (p *process) signal(s os.Signal) {
	_ = p.os.Signal(s) // an error says that it has ended, and so does done
}

// await waits until ready says so.
func (p *process) await(ready func() bool) error {
	timeout := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("it ended: %w", p.end)
		case <-timeout:
			return fmt.Errorf("it is not ready after %v", patience)
		}
	}
	return nil
}

func (p *process) awaitEnd() error {
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("it has not ended after %v", patience)
	}
}

// killAll kills the server and its children, which would notice the end of the server
// only when they have nothing else to do. Each is a process group of its own.
func (p *process) killAll() error {
	pause(p) // it can't make more of them now
	all := children(p.pid)
	p.signal(os.Kill)
	for _, child := range all {
		child.kill()
	}
	if err := p.awaitEnd(); err != nil {
		return err
	}
	for _, child := range all {
		if err := child.awaitEnd(); err != nil {
			return err
		}
	}
	return nil
}
