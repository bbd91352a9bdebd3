package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// asUser is how the server's programs run: not as root, which they refuse.
func asUser() *syscall.SysProcAttr { return &syscall.SysProcAttr{Credential: other()} }

// asServer is how the server runs: not longer than the test binary. SIGQUIT has it end
// its children, too. It comes when the thread that started the server ends, see launch.
func asServer() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: other(), Pdeathsig: syscall.SIGQUIT}
}

// ownGroup keeps a process from the signals of the terminal.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// give makes the server's user the owner of a folder.
func give(dir string) error {
	if u := other(); u != nil {
		return os.Chown(dir, int(u.Uid), int(u.Gid))
	}
	return nil
}

// other is the user that takes root's place; nil if this is not root.
func other() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534} // nobody, by convention; a number needs no name
}

func pause(p *process) { p.signal(syscall.SIGSTOP) }

// child is a process of the server: its id, and when it started, since ids are used again.
type child struct {
	pid   int
	start string
}

// children returns the processes that pid started, and that have not ended.
func children(pid int) []child {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	var out []child
	for _, file := range stats {
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // the pattern has seen to it
		if parent, c, ok := look(id); ok && parent == pid {
			out = append(out, c)
		}
	}
	return out
}

// look reads the parent and the start of a process; false if it has ended, even if its
// parent has not asked how. The fields are those of proc(5), counted from the third: the
// second is a name in parentheses, which may have any character.
func look(pid int) (parent int, c child, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, child{}, false
	}
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 20 || f[0][0] == 'Z' || f[0][0] == 'X' {
		return 0, child{}, false
	}
	parent, err = strconv.Atoi(string(f[1]))
	return parent, child{pid: pid, start: string(f[19])}, err == nil
}

func (c child) alive() bool {
	_, now, ok := look(c.pid)
	return ok && now == c
}

func (c child) kill() {
	if c.alive() {
		_ = syscall.Kill(c.pid, syscall.SIGKILL) // it may have ended since
	}
}

// awaitEnd waits for a process that is no child of this one: nobody tells when it ends.
func (c child) awaitEnd() error {
	timeout := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for c.alive() {
		select {
		case <-tick.C:
		case <-timeout:
			return fmt.Errorf("the server's process %d was killed, and is there after %v", c.pid, patience)
		}
	}
	return nil
}
