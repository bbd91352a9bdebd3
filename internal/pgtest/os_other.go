//go:build !linux

package pgtest

import "syscall"

// Elsewhere than on Linux the server runs as the user of the tests, who must not be
// root. When the test binary is killed, the janitor deletes the server's files; the
// server looks for them once a minute, and ends then.

func asUser() *syscall.SysProcAttr { return nil }

func asServer() *syscall.SysProcAttr { return nil }

func ownGroup() *syscall.SysProcAttr { return nil }

func give(string) error { return nil }

func pause(*process) {}

// child is not needed here: the server's processes end when they notice its end.
type child struct{}

func children(int) []child { return nil }

func (child) kill() {}

func (child) awaitEnd() error { return nil }
