package page

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// require is the environment variable that makes a missing browser a failure.
const require = "POSTLUDE_REQUIRE_E2E"

// patience is how long a test waits for what should be there in a second or two.
const patience = 15 * time.Second

// startBrowser starts a browser of the test's own. Without one the test is skipped.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	switch {
	case path != "":
	case os.Getenv(require) != "":
		t.Fatalf("no browser is installed: apt-get install --no-install-recommends chromium (%s is set)", require)
	default:
		t.Skip("no browser is installed: apt-get install --no-install-recommends chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1440, 1000))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("closing the browser: %v", err)
		}
	})
	return ctx
}

// tab is a tab of the browser, and what its console was told.
type tab struct {
	t       *testing.T
	ctx     context.Context
	mu      sync.Mutex
	console []chromedp.ConsoleMessage
}

// openTab opens an address in a tab of its own. At the end of the test the console has to be
// empty: no script failed, and nothing was against the Content-Security-Policy. What
// is about the network is not looked at, if the test said so: it makes that fail.
func openTab(t *testing.T, browser context.Context, url string, networkFails bool) *tab {
	t.Helper()
	ctx, _ := chromedp.NewContext(browser)
	p := &tab{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.console = append(p.console, m)
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page says:\n%s", p.text("body"))
		}
		_ = chromedp.Cancel(ctx)
		reading.Wait()
		for _, m := range p.console {
			if !networkFails || m.Source != "network" {
				t.Errorf("the console says: %s", m)
			}
		}
	})
	p.do(chromedp.Navigate(url))
	return p
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval returns the value of a JavaScript expression in the page.
func eval[T any](p *tab, js string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		p.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// wait blocks until a JavaScript expression is true.
func (p *tab) wait(js string) {
	p.t.Helper()
	ticker := time.NewTicker(30 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !eval[bool](p, "Boolean("+js+")"); <-ticker.C {
		if time.Now().After(deadline) {
			p.t.Fatalf("it does not come true: %s", js)
		}
	}
}

// text is what a person reads in an element.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return eval[string](p, "document.querySelector("+quote(selector)+")?.innerText ?? ''")
}

// waitText blocks until a person can read all the words in an element.
func (p *tab) waitText(selector string, words ...string) {
	p.t.Helper()
	for _, w := range words {
		p.wait("document.querySelector(" + quote(selector) + ")?.innerText.includes(" + quote(w) + ")")
	}
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// keys presses one key after the other.
func (p *tab) keys(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// quote makes a JavaScript string of s.
func quote(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// lines are the rows of the list that is shown, as text.
func (p *tab) lines() []string {
	p.t.Helper()
	return eval[[]string](p, "[...document.querySelectorAll('#panel tbody tr')].map(r => r.innerText.replace(/\\s+/g, ' '))")
}

func (p *tab) waitLines(js string) {
	p.t.Helper()
	p.wait("((rows) => " + js + ")([...document.querySelectorAll('#panel tbody tr')].map(r => r.innerText))")
}

var _ = strings.Contains
