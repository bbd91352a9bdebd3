package machine_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/machine"
)

// TestHandover: it ends also where two threads share a core, and is nothing where there is
// no other.
func TestHandover(t *testing.T) {
	if got := machine.Handover(); runtime.GOMAXPROCS(0) > 1 && (got <= 0 || got > time.Second) {
		t.Errorf("a handover takes %v", got)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if got := machine.Handover(); got != 0 {
		t.Errorf("a single core hands over in %v", got)
	}
}
