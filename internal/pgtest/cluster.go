package pgtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// patience is how long a server may take to start or stop.
const patience = 30 * time.Second

// cluster is a data directory and the server that works on it.
type cluster struct {
	bin  programs
	dir  string // has the data directory and the log
	port int
	proc *process // nil: stopped
}

func newCluster(bin programs) (*cluster, error) {
	from, err := template(bin)
	if err != nil {
		return nil, err
	}
	dir, err := newFolder()
	if err != nil {
		return nil, err
	}
	c := &cluster{bin: bin, dir: dir}
	// -p keeps the owner and the mode, both of which the server insists on.
	if out, err := exec.Command("cp", "-Rp", from, c.data()).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy %s: %w\n%s", from, err, out)
	}
	return c, nil
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }
func (c *cluster) log() string  { return filepath.Join(c.dir, "log") }

// start starts the server on a port that is free. Between the look at the port and the
// start, another process may take it.
func (c *cluster) start() error {
	for try := 0; ; try++ {
		var err error
		if c.port, err = freePort(); err != nil {
			return err
		}
		err = c.restart()
		if err == nil || try == 5 || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
}

// restart starts the server on its port.
func (c *cluster) restart() error {
	p, err := launch(c.command(), c.log())
	if err != nil {
		return err
	}
	c.proc = p
	if err := p.await(c.ready); err != nil {
		p.signal(os.Kill)
		<-p.done
		c.proc = nil
		return fmt.Errorf("start PostgreSQL: %w; its log ends with:\n%s", err, tail(c.log()))
	}
	return nil
}

func (c *cluster) command() *exec.Cmd {
	args := []string{"-D", c.data()}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(c.port),
		"unix_socket_directories=" + c.data(),
		"max_connections=200",
		"shared_buffers=16MB",
		"fsync=off", // the kernel's cache outlives the server, and that is all a test can kill
		"full_page_writes=off",
		"dynamic_shared_memory_type=mmap", // in the data directory, where a kill leaves nothing behind
		"log_line_prefix=%m [%p] ",
	} {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(c.bin.path("postgres"), args...)
	cmd.Env, cmd.Dir, cmd.SysProcAttr = environment(), c.dir, asServer()
	return cmd
}

// ready reads the file that the server writes its state to, as pg_ctl does: the process
// is in the first line, the state in the eighth.
func (c *cluster) ready() bool {
	lines := c.pidFile()
	return len(lines) > 7 && lines[0] == strconv.Itoa(c.proc.pid) && strings.TrimSpace(lines[7]) == "ready"
}

func (c *cluster) pidFile() []string {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return nil // there is none before the server wrote it
	}
	return strings.Split(string(text), "\n")
}

// stop ends the server in the given way; a server that is too slow is killed.
func (c *cluster) stop(how os.Signal) error {
	if c.proc == nil {
		return nil
	}
	c.proc.signal(how)
	if err := c.proc.awaitEnd(); err != nil {
		return errors.Join(fmt.Errorf("stop PostgreSQL: %w; its log ends with:\n%s", err, tail(c.log())), c.kill())
	}
	c.proc = nil
	return nil
}

// kill ends the server and its children by force.
func (c *cluster) kill() error {
	if c.proc == nil {
		return nil
	}
	segment := c.segment()
	err := c.proc.killAll()
	c.proc = nil
	if segment != "" {
		// The kernel would keep it until the next server of this directory, if there is one.
		_ = exec.Command("ipcrm", "-m", segment).Run() // 56 bytes are no reason to fail a test
	}
	return err
}

// segment is the id of the shared memory that tells one server of a directory from a
// second: the other number in the seventh line.
func (c *cluster) segment() string {
	if lines := c.pidFile(); len(lines) > 6 {
		if keyAndID := strings.Fields(lines[6]); len(keyAndID) == 2 {
			return keyAndID[1]
		}
	}
	return ""
}

// remove ends the server and deletes what it stored.
func (c *cluster) remove() {
	_ = c.stop(immediate)   // it was killed if it did not stop
	_ = os.RemoveAll(c.dir) // the janitor tries again
}

// freePort finds a port below those that the system gives to clients. On one of those, a
// client that tries to reach a stopped server may be given the port itself, and keep the
// server from starting again.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no port of 127.0.0.1 between 20000 and 32000 seems to be free")
}

// tail is the end of a file, or why it can't be read.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
