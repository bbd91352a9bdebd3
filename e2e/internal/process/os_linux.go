package process

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel kill the program when the test binary dies of a timeout or
// a panic, and no cleanup runs.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
