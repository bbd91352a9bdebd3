package process

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func shell(script string) *exec.Cmd { return exec.Command("/bin/sh", "-c", script) }

func TestOutputAndCode(t *testing.T) {
	p := Start(t, shell("echo out; echo err >&2; exit 3"), time.Minute)
	if code := p.Wait(); code != 3 || p.Stdout.String() != "out\n" || p.Stderr.String() != "err\n" {
		t.Errorf("code %d, output %q, %q", code, p.Stdout, p.Stderr)
	}
}

func TestAwaitAndEnd(t *testing.T) {
	p := Start(t, shell("trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done"), time.Minute)
	p.Await(10*time.Second, "it says ready", func() bool { return p.Stdout.String() == "ready\n" })
	if code := p.End(syscall.SIGTERM); code != 4 {
		t.Errorf("code %d", code)
	}
}

// TestEndsWithTheTest: a program that nobody ended is gone after the test.
func TestEndsWithTheTest(t *testing.T) {
	var left *Process
	t.Run("forgets it", func(t *testing.T) { left = Start(t, exec.Command("sleep", "60"), time.Minute) })
	if err := syscall.Kill(left.PID(), 0); err != syscall.ESRCH {
		t.Errorf("it is still there: %v", err)
	}
}

// failing is a test that may fail without failing this one.
type failing struct {
	testing.TB
	said []string
}

func (f *failing) Errorf(format string, _ ...any) { f.said = append(f.said, format) }
func (f *failing) Failed() bool                   { return len(f.said) > 0 }
func (f *failing) Logf(format string, _ ...any)   { f.said = append(f.said, format) }

func TestTimeIsUp(t *testing.T) {
	f := &failing{TB: t}
	p := Start(f, exec.Command("sleep", "60"), 10*time.Millisecond)
	if code := p.Wait(); code != -1 {
		t.Errorf("code %d", code)
	}
	if len(f.said) != 1 || !strings.Contains(f.said[0], "has not ended within") {
		t.Errorf("the test was told %q", f.said)
	}
}
