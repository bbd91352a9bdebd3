package dashboards

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// addCheckout adds the checkout example to the targets: its shop, built and run as users
// have it, under load, with failures.
func addCheckout(t *testing.T, targets map[string]string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "checkout")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, ".")
	build.Dir = filepath.Join(root, "examples", "checkout")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	shop := freeAddr(t)
	run(t, program, "-addr", shop, "-payment-addr", freeAddr(t), "-log", "json", "-load", "20", "-fail", "0.3")
	orderInVain(t, "http://"+shop)
	targets["shop"] = shop
}

// orderInVain places an order now and then for which nothing goes well, neither with
// retries nor by a fallback: by themselves those are rare.
func orderInVain(t *testing.T, shop string) {
	ctx, stop := context.WithCancel(context.Background())
	transport, ended := &http.Transport{}, make(chan struct{})
	t.Cleanup(func() {
		stop()
		<-ended
		transport.CloseIdleConnections()
	})
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// Before the shop is open, or while its queue is full, it is refused: there will be others.
			_ = post(ctx, client, shop+"/orders?payment=out&mail=out&stock=panic&invoice=fail")
		}
	}()
}

func post(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
