package dashboards

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// addCheckout adds the checkout example to the targets: its shop, built and run as users
// have it, under load, with failures.
func addCheckout(t *testing.T, targets map[string]string) {
	t.Helper()
	dir := filepath.Join(root, "examples", "checkout")
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Logf("without the checkout example: %v", err)
		return
	}
	program := filepath.Join(t.TempDir(), "checkout")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	shop := freeAddr(t)
	run(t, program, "-addr", shop, "-payment-addr", freeAddr(t), "-log", "json", "-load", "20", "-fail", "0.5")
	targets["shop"] = shop
}
